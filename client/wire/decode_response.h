#ifndef FAVOR_CLIENT_WIRE_DECODE_RESPONSE_H_
#define FAVOR_CLIENT_WIRE_DECODE_RESPONSE_H_

#include <grpcpp/support/byte_buffer.h>
#include "absl/status/statusor.h"
#include "client/attend.h"

namespace favor::client {

// Output and report of a favor.v1.AttendResponse; the other fields of the result are left alone. The output's bytes are
// copied once. InternalError when the bytes are no such message or the output's data does not match its shape,
// ResourceExhaustedError when there is no memory for the output. Bound: 2 GiB.
absl::StatusOr<AttendResult> DecodeAttendResponse(grpc::ByteBuffer* response);
// The same of a favor.v1.ReadResponse.
absl::StatusOr<AttendResult> DecodeReadResponse(grpc::ByteBuffer* response);

}  // namespace favor::client

#endif  // FAVOR_CLIENT_WIRE_DECODE_RESPONSE_H_
