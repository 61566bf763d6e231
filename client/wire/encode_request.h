#ifndef FAVOR_CLIENT_WIRE_ENCODE_REQUEST_H_
#define FAVOR_CLIENT_WIRE_ENCODE_REQUEST_H_

#include "client/attend.h"
#include "client/wire/message_builder.h"

namespace favor::client {

// The favor.v1.AttendRequest of a call; the tensors' memory is borrowed by the builder. Nothing is judged here: the
// server is the one to say what is wrong with a request.
MessageBuilder EncodeAttendRequest(const AttendInputs& inputs, const AttendOptions& options);

// The favor.v1.CalibrateRequest of a call, in the same manner.
MessageBuilder EncodeCalibrateRequest(const CalibrateInputs& inputs, const AttentionSpec& spec);

// A favor.v1.AttentionSpec; the memory of a projection matrix is borrowed by the builder.
MessageBuilder EncodeAttentionSpec(const AttentionSpec& spec);

// A favor.v1.Tensor; its memory is borrowed by the builder.
MessageBuilder EncodeTensor(const TensorView& tensor);

}  // namespace favor::client

#endif  // FAVOR_CLIENT_WIRE_ENCODE_REQUEST_H_
