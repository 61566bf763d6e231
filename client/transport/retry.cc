#include "client/transport/retry.h"

#include <algorithm>
#include <cmath>

#include "absl/random/random.h"
#include "absl/time/clock.h"
#include "client/errors.h"

namespace favor::client {

std::optional<absl::Duration> DelayBeforeRetry(const RetryOptions& options, const absl::Status& status, int retry,
                                               double uniform) {
  if (retry >= options.max_retries) return std::nullopt;
  const std::optional<absl::Duration> asked_for = RetryDelayOf(status);
  // Nothing here cancels unary calls: it was the server's gRPC, at the instant in which it shuts down.
  const bool is_retriable = absl::IsUnavailable(status) || absl::IsCancelled(status) ||
                            (absl::IsResourceExhausted(status) && asked_for.has_value());
  if (!is_retriable) return std::nullopt;
  // Random, or all clients of a server that failed would come back together.
  const absl::Duration full = std::min(options.initial_backoff * std::exp2(std::min(retry, 60)), options.max_backoff);
  const absl::Duration backoff = full * (0.5 + 0.5 * uniform);
  return std::max(asked_for.value_or(absl::ZeroDuration()), absl::ZeroDuration()) + backoff;
}

absl::Status RunWithRetries(const RetryOptions& options, absl::Time deadline,
                            const std::function<absl::Status()>& attempt, int* num_attempts) {
  absl::BitGen random;
  for (*num_attempts = 1;; ++*num_attempts) {
    const absl::Status status = attempt();
    if (status.ok()) return status;
    const std::optional<absl::Duration> delay =
        DelayBeforeRetry(options, status, *num_attempts - 1, absl::Uniform(random, 0.0, 1.0));
    if (!delay || absl::Now() + *delay >= deadline) return status;
    absl::SleepFor(*delay);
  }
}

}  // namespace favor::client
