#include "client/wire/encode_embed.h"

#include <utility>
#include <variant>

#include "client/wire/encode_request.h"
#include "favor/v1/embedding.pb.h"

namespace favor::client {
namespace {

MessageBuilder EncodeIds(absl::Span<const int32_t> ids) {
  MessageBuilder builder, packed;
  for (const int32_t id : ids) packed.AppendRawVarint(static_cast<int64_t>(id));
  builder.AppendMessage(v1::TokenIds::kIdsFieldNumber, std::move(packed));
  return builder;
}

MessageBuilder Encode(const EmbedInput& input) {
  MessageBuilder builder;
  if (const auto* text = std::get_if<std::string>(&input)) {
    builder.AppendText(v1::EmbedInput::kTextFieldNumber, *text);
    return builder;
  }
  builder.AppendMessage(v1::EmbedInput::kIdsFieldNumber, EncodeIds(std::get<std::vector<int32_t>>(input)));
  return builder;
}

// As proto3 does, fields that hold their default are not sent.
void AppendUnlessZero(int field_number, int64_t value, MessageBuilder* builder) {
  if (value != 0) builder->AppendVarint(field_number, value);
}

void AppendUnlessEmpty(int field_number, const std::string& text, MessageBuilder* builder) {
  if (!text.empty()) builder->AppendText(field_number, text);
}

}  // namespace

MessageBuilder EncodeEmbedRequest(absl::Span<const EmbedInput> inputs, const EmbedOptions& options) {
  using Wire = v1::EmbedRequest;
  MessageBuilder builder;
  AppendUnlessEmpty(Wire::kModelFieldNumber, options.model, &builder);
  for (const EmbedInput& input : inputs) builder.AppendMessage(Wire::kInputsFieldNumber, Encode(input));
  AppendUnlessZero(Wire::kPoolingFieldNumber, static_cast<int64_t>(options.pooling), &builder);
  if (options.normalize) builder.AppendVarint(Wire::kNormalizeFieldNumber, *options.normalize ? 1 : 0);
  AppendUnlessZero(Wire::kOverLengthFieldNumber, static_cast<int64_t>(options.over_length), &builder);
  if (options.window_overlap) builder.AppendVarint(Wire::kWindowOverlapFieldNumber, *options.window_overlap);
  AppendUnlessZero(Wire::kOutputTypeFieldNumber, static_cast<int64_t>(options.output_type), &builder);
  AppendUnlessZero(Wire::kDimensionsFieldNumber, options.dimensions, &builder);
  if (options.prompt) builder.AppendText(Wire::kPromptFieldNumber, *options.prompt);
  AppendUnlessEmpty(Wire::kPromptNameFieldNumber, options.prompt_name, &builder);
  if (options.attention) {
    builder.AppendMessage(Wire::kAttentionFieldNumber, EncodeAttentionSpec(*options.attention));
  }
  return builder;
}

MessageBuilder EncodeEmbedStreamStart(const EmbedOptions& options) {
  MessageBuilder builder;
  builder.AppendMessage(v1::EmbedStreamRequest::kStartFieldNumber, EncodeEmbedRequest({}, options));
  return builder;
}

MessageBuilder EncodeEmbedStreamInput(uint64_t id, const EmbedInput& input) {
  using Wire = v1::EmbedStreamRequest;
  MessageBuilder item, builder;
  AppendUnlessZero(Wire::Input::kIdFieldNumber, static_cast<int64_t>(id), &item);
  item.AppendMessage(Wire::Input::kInputFieldNumber, Encode(input));
  builder.AppendMessage(Wire::kInputFieldNumber, std::move(item));
  return builder;
}

MessageBuilder EncodeEmbedStreamSequence(const SequenceOptions& options) {
  using Wire = v1::EmbedStreamRequest;
  MessageBuilder sequence, builder;
  sequence.AppendMessage(Wire::Sequence::kSettingsFieldNumber,
                         EncodeEmbedRequest({}, {.model = options.model,
                                                 .normalize = options.normalize,
                                                 .output_type = options.output_type,
                                                 .dimensions = options.dimensions}));
  // A message within another is its bytes.
  if (options.state) {
    sequence.AppendShared(Wire::Sequence::kStateFieldNumber, options.state->serialized(),
                          std::make_shared<SequenceState>(*options.state));
  }
  builder.AppendMessage(Wire::kSequenceFieldNumber, std::move(sequence));
  return builder;
}

MessageBuilder EncodeEmbedStreamTokens(absl::Span<const int32_t> ids) {
  MessageBuilder builder;
  builder.AppendMessage(v1::EmbedStreamRequest::kTokensFieldNumber, EncodeIds(ids));
  return builder;
}

MessageBuilder EncodeEmbedStreamGetState() {
  MessageBuilder builder;
  builder.AppendVarint(v1::EmbedStreamRequest::kGetStateFieldNumber, 1);
  return builder;
}

MessageBuilder EncodeTokenizeRequest(absl::Span<const std::string> texts, const TokenizeOptions& options) {
  using Wire = v1::TokenizeRequest;
  MessageBuilder builder;
  AppendUnlessEmpty(Wire::kModelFieldNumber, options.model, &builder);
  for (const std::string& text : texts) builder.AppendText(Wire::kTextsFieldNumber, text);
  AppendUnlessZero(Wire::kWithoutSpecialTokensFieldNumber, options.without_special_tokens, &builder);
  AppendUnlessZero(Wire::kWithPiecesFieldNumber, options.with_pieces, &builder);
  return builder;
}

}  // namespace favor::client
