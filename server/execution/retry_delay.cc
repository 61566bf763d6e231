#include "server/execution/retry_delay.h"

#include "server/execution/duration_payload.h"

namespace favor {
namespace {

constexpr char kRetryDelayUrl[] = "favor/retry_delay";

}  // namespace

absl::Status OverloadedError(absl::string_view message, absl::Duration retry_delay) {
  absl::Status status = absl::ResourceExhaustedError(message);
  SetDurationPayload(kRetryDelayUrl, retry_delay, &status);
  return status;
}

std::optional<absl::Duration> RetryDelayOf(const absl::Status& status) {
  return DurationPayloadOf(kRetryDelayUrl, status);
}

}  // namespace favor
