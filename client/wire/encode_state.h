#ifndef FAVOR_CLIENT_WIRE_ENCODE_STATE_H_
#define FAVOR_CLIENT_WIRE_ENCODE_STATE_H_

#include "absl/types/span.h"
#include "client/attention_stream.h"
#include "client/state_calls.h"
#include "client/wire/message_builder.h"

// Messages of Fold, Merge, Read and AttendStream. The memory of tensors is borrowed by the builder, that of states
// shared with it; nothing is judged here.
namespace favor::client {

// favor.v1.FoldRequest
MessageBuilder EncodeFoldRequest(const FoldInputs& inputs, const FoldOptions& options);
// favor.v1.MergeRequest
MessageBuilder EncodeMergeRequest(absl::Span<const AttentionState> states, const MergeOptions& options);
// favor.v1.ReadRequest
MessageBuilder EncodeReadRequest(const TensorView& queries, const AttentionState& state, const ReadOptions& options);

// favor.v1.AttendStreamRequest with each of its fields.
MessageBuilder EncodeStreamStart(const AttendStreamOptions& options);
MessageBuilder EncodeStreamChunk(const AttentionChunk& chunk);
MessageBuilder EncodeStreamEndOfKeys();
MessageBuilder EncodeStreamGetState(StateEncoding encoding);

}  // namespace favor::client

#endif  // FAVOR_CLIENT_WIRE_ENCODE_STATE_H_
