#ifndef FAVOR_CLIENT_ERRORS_H_
#define FAVOR_CLIENT_ERRORS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

// What a server says beside the code and the message of an error. Errors of favor::client::Client carry each detail of
// google.rpc.Status as a payload (absl::Status::GetPayload) under its type URL; the two that favord sends are read
// here.
namespace favor::client {

struct FieldViolation {
  std::string field;        // path of the field, as in "queries.shape"
  std::string description;  // the value and the bound
};

// The fields that a server found wrong (google.rpc.BadRequest); empty if it named none.
std::vector<FieldViolation> FieldViolationsOf(const absl::Status& status);

// How long a server asks to wait before the next attempt (google.rpc.RetryInfo).
std::optional<absl::Duration> RetryDelayOf(const absl::Status& status);

}  // namespace favor::client

#endif  // FAVOR_CLIENT_ERRORS_H_
