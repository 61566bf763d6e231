#ifndef FAVOR_SERVER_CONVERT_FIELD_ERROR_H_
#define FAVOR_SERVER_CONVERT_FIELD_ERROR_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace favor {

// InvalidArgumentError about one field of a request. `field` is its path in the wire format ("keys.shape"), `message`
// names value and bound ("keys.head_dim is 48, queries.head_dim is 64"). The path travels as a payload of the status;
// server/rpc turns it into google.rpc.BadRequest.
absl::Status FieldError(absl::string_view field, absl::string_view message);

// UnimplementedError about a field, or a value of it, that is in the wire format and not in this release:
// "spec.precision is PRECISION_BF16, which favord 0.1.0 does not serve".
absl::Status UnservedFieldError(absl::string_view field, absl::string_view value);

// The same status, said to be about `field`, when it is an InvalidArgumentError that names no field yet.
absl::Status AboutField(absl::Status status, absl::string_view field);

// The same status, the path of its field, if it has one, continued inside `outer`: also where its message begins with
// it.
absl::Status InsideField(const absl::Status& status, absl::string_view outer);

// The path of the field that a status is about. Errors of the library, which knows no wire format, start with the
// tensor they are about: that is the path then. Empty when there is none.
std::string FieldOf(const absl::Status& status);

}  // namespace favor

#endif  // FAVOR_SERVER_CONVERT_FIELD_ERROR_H_
