#include "client/wire/encode_embed.h"

#include <utility>
#include <variant>

#include "client/wire/encode_request.h"
#include "favor/v1/embedding.pb.h"

namespace favor::client {
namespace {

MessageBuilder Encode(const EmbedInput& input) {
  MessageBuilder builder;
  if (const auto* text = std::get_if<std::string>(&input)) {
    builder.AppendText(v1::EmbedInput::kTextFieldNumber, *text);
    return builder;
  }
  MessageBuilder ids, packed;
  for (const int32_t id : std::get<std::vector<int32_t>>(input)) packed.AppendRawVarint(static_cast<int64_t>(id));
  ids.AppendMessage(v1::TokenIds::kIdsFieldNumber, std::move(packed));
  builder.AppendMessage(v1::EmbedInput::kIdsFieldNumber, std::move(ids));
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
