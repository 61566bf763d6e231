#ifndef FAVOR_CLIENT_WIRE_DECODE_STATE_H_
#define FAVOR_CLIENT_WIRE_DECODE_STATE_H_

#include <grpcpp/support/byte_buffer.h>
#include "absl/status/statusor.h"
#include "client/attention_state.h"
#include "client/attention_stream.h"

// Outputs and states are copied once. InternalError when the bytes are no such message. Bound: 2 GiB.
namespace favor::client {

// The state of a favor.v1.FoldResponse.
absl::StatusOr<AttentionState> DecodeFoldResponse(grpc::ByteBuffer* response);
// The state of a favor.v1.MergeResponse.
absl::StatusOr<AttentionState> DecodeMergeResponse(grpc::ByteBuffer* response);
// A favor.v1.AttendStreamResponse.
absl::StatusOr<StreamAnswer> DecodeAttendStreamResponse(grpc::ByteBuffer* response);

}  // namespace favor::client

#endif  // FAVOR_CLIENT_WIRE_DECODE_STATE_H_
