#ifndef FAVOR_SERVER_EXECUTION_DURATION_PAYLOAD_H_
#define FAVOR_SERVER_EXECUTION_DURATION_PAYLOAD_H_

#include <optional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace favor {

// A duration that travels as a payload of a status, so that this folder needs no Protobuf.
void SetDurationPayload(absl::string_view url, absl::Duration duration, absl::Status* status);

// Nullopt where the status has none of this url.
std::optional<absl::Duration> DurationPayloadOf(absl::string_view url, const absl::Status& status);

}  // namespace favor

#endif  // FAVOR_SERVER_EXECUTION_DURATION_PAYLOAD_H_
