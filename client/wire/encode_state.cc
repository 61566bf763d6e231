#include "client/wire/encode_state.h"

#include <memory>
#include <utility>

#include "client/wire/data_type_wire.h"
#include "client/wire/encode_request.h"
#include "favor/v1/attention.pb.h"

namespace favor::client {
namespace {

void AppendState(int field_number, const AttentionState& state, MessageBuilder* builder) {
  // A message within another is its bytes.
  builder->AppendShared(field_number, state.serialized(), std::make_shared<AttentionState>(state));
}

template <typename T>
void AppendTensor(int field_number, const std::optional<T>& tensor, MessageBuilder* builder) {
  if (tensor) builder->AppendMessage(field_number, EncodeTensor(*tensor));
}

void AppendEncoding(int field_number, StateEncoding encoding, MessageBuilder* builder) {
  if (encoding != StateEncoding::kUnspecified) builder->AppendVarint(field_number, static_cast<int64_t>(encoding));
}

void AppendType(int field_number, const std::optional<DataType>& type, MessageBuilder* builder) {
  if (type) builder->AppendVarint(field_number, static_cast<int64_t>(ToWire(*type)));
}

}  // namespace

MessageBuilder EncodeFoldRequest(const FoldInputs& inputs, const FoldOptions& options) {
  using Wire = v1::FoldRequest;
  MessageBuilder builder;
  builder.AppendMessage(Wire::kSpecFieldNumber, EncodeAttentionSpec(options.spec));
  if (options.state) AppendState(Wire::kStateFieldNumber, *options.state, &builder);
  if (!options.key_lengths.empty()) {
    MessageBuilder packed;
    for (const int64_t length : options.key_lengths) packed.AppendRawVarint(length);
    builder.AppendMessage(Wire::kKeyLengthsFieldNumber, std::move(packed));
  }
  AppendEncoding(Wire::kEncodingFieldNumber, options.encoding, &builder);
  builder.AppendMessage(Wire::kKeysFieldNumber, EncodeTensor(inputs.keys));
  builder.AppendMessage(Wire::kValuesFieldNumber, EncodeTensor(inputs.values));
  return builder;
}

MessageBuilder EncodeMergeRequest(absl::Span<const AttentionState> states, const MergeOptions& options) {
  using Wire = v1::MergeRequest;
  MessageBuilder builder;
  for (const AttentionState& state : states) AppendState(Wire::kStatesFieldNumber, state, &builder);
  AppendEncoding(Wire::kEncodingFieldNumber, options.encoding, &builder);
  return builder;
}

MessageBuilder EncodeReadRequest(const TensorView& queries, const AttentionState& state, const ReadOptions& options) {
  using Wire = v1::ReadRequest;
  MessageBuilder builder;
  AppendState(Wire::kStateFieldNumber, state, &builder);
  AppendType(Wire::kOutputTypeFieldNumber, options.output_type, &builder);
  builder.AppendMessage(Wire::kQueriesFieldNumber, EncodeTensor(queries));
  return builder;
}

MessageBuilder EncodeStreamStart(const AttendStreamOptions& options) {
  using Wire = v1::AttendStreamRequest::Start;
  MessageBuilder start, builder;
  if (options.spec) start.AppendMessage(Wire::kSpecFieldNumber, EncodeAttentionSpec(*options.spec));
  if (options.state) AppendState(Wire::kStateFieldNumber, *options.state, &start);
  AppendType(Wire::kOutputTypeFieldNumber, options.output_type, &start);
  if (options.report_every_chunk) start.AppendVarint(Wire::kReportEveryChunkFieldNumber, 1);
  builder.AppendMessage(v1::AttendStreamRequest::kStartFieldNumber, std::move(start));
  return builder;
}

MessageBuilder EncodeStreamChunk(const AttentionChunk& chunk) {
  using Wire = v1::AttendStreamRequest::Chunk;
  MessageBuilder tensors, builder;
  AppendTensor(Wire::kQueriesFieldNumber, chunk.queries, &tensors);
  AppendTensor(Wire::kKeysFieldNumber, chunk.keys, &tensors);
  AppendTensor(Wire::kValuesFieldNumber, chunk.values, &tensors);
  builder.AppendMessage(v1::AttendStreamRequest::kChunkFieldNumber, std::move(tensors));
  return builder;
}

MessageBuilder EncodeStreamEndOfKeys() {
  MessageBuilder builder;
  builder.AppendVarint(v1::AttendStreamRequest::kEndOfKeysFieldNumber, 1);
  return builder;
}

MessageBuilder EncodeStreamGetState(StateEncoding encoding) {
  MessageBuilder builder;
  builder.AppendVarint(v1::AttendStreamRequest::kGetStateFieldNumber, static_cast<int64_t>(encoding));
  return builder;
}

}  // namespace favor::client
