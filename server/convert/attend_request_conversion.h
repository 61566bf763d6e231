#ifndef FAVOR_SERVER_CONVERT_ATTEND_REQUEST_CONVERSION_H_
#define FAVOR_SERVER_CONVERT_ATTEND_REQUEST_CONVERSION_H_

#include "absl/status/statusor.h"
#include "server/convert/attend_wire_reader.h"
#include "server/execution/attend_work.h"

namespace favor {

// Checks everything about a request but the values of queries, keys and values, which the library looks at inside its
// tiles. A malformed field answers InvalidArgumentError, one that this release does not serve UnimplementedError; both
// name field, value and bound (see field_error.h).
absl::StatusOr<AttendWork> ToAttendWork(AttendMessage message);

}  // namespace favor

#endif  // FAVOR_SERVER_CONVERT_ATTEND_REQUEST_CONVERSION_H_
