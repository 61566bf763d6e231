#include "server/execution/duration_payload.h"

#include <string>

#include "absl/strings/cord.h"
#include "absl/types/optional.h"

namespace favor {

void SetDurationPayload(absl::string_view url, absl::Duration duration, absl::Status* status) {
  status->SetPayload(url, absl::Cord(absl::FormatDuration(duration)));
}

std::optional<absl::Duration> DurationPayloadOf(absl::string_view url, const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(url);
  absl::Duration duration;
  if (!payload || !absl::ParseDuration(std::string(*payload), &duration)) return std::nullopt;
  return duration;
}

}  // namespace favor
