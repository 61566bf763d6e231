#ifndef FAVOR_CLIENT_TRANSPORT_RETRY_H_
#define FAVOR_CLIENT_TRANSPORT_RETRY_H_

#include <functional>
#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/client.h"

namespace favor::client {

// How long to wait before retry `retry` (from 0) of a call that failed with `status`, for a random number `uniform` in
// [0, 1); nothing if there is to be none. The rule stands at RetryOptions.
std::optional<absl::Duration> DelayBeforeRetry(const RetryOptions& options, const absl::Status& status, int retry,
                                               double uniform);

// Calls `attempt` until it succeeds, must not be repeated, or a wait would pass the deadline; counts the calls.
// Returns the last attempt's status.
absl::Status RunWithRetries(const RetryOptions& options, absl::Time deadline,
                            const std::function<absl::Status()>& attempt, int* num_attempts);

}  // namespace favor::client

#endif  // FAVOR_CLIENT_TRANSPORT_RETRY_H_
