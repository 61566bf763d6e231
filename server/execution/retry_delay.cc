#include "server/execution/retry_delay.h"

#include <string>

#include "absl/strings/cord.h"
#include "absl/types/optional.h"

namespace favor {
namespace {

constexpr char kRetryDelayUrl[] = "favor/retry_delay";

}  // namespace

absl::Status OverloadedError(absl::string_view message, absl::Duration retry_delay) {
  absl::Status status = absl::ResourceExhaustedError(message);
  status.SetPayload(kRetryDelayUrl, absl::Cord(absl::FormatDuration(retry_delay)));
  return status;
}

std::optional<absl::Duration> RetryDelayOf(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kRetryDelayUrl);
  absl::Duration delay;
  if (!payload || !absl::ParseDuration(std::string(*payload), &delay)) return std::nullopt;
  return delay;
}

}  // namespace favor
