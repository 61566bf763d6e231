#ifndef FAVOR_SERVER_EXECUTION_RETRY_DELAY_H_
#define FAVOR_SERVER_EXECUTION_RETRY_DELAY_H_

#include <optional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace favor {

// A ResourceExhaustedError that tells when to come back: a payload (duration_payload.h), which server/rpc turns into
// google.rpc.RetryInfo.
absl::Status OverloadedError(absl::string_view message, absl::Duration retry_delay);

// The delay of an OverloadedError; nullopt for any other status.
std::optional<absl::Duration> RetryDelayOf(const absl::Status& status);

}  // namespace favor

#endif  // FAVOR_SERVER_EXECUTION_RETRY_DELAY_H_
