#include <string>
#include <utility>
#include <vector>

#include "client/client.h"
#include "client/transport/client_impl.h"
#include "client/wire/decode_embed.h"
#include "client/wire/decode_models.h"
#include "client/wire/encode_embed.h"
#include "favor/v1/model.pb.h"

// Client's calls of EmbeddingService and ModelService.
namespace favor::client {
namespace {

constexpr char kEmbed[] = "/favor.v1.EmbeddingService/Embed";
constexpr char kTokenize[] = "/favor.v1.EmbeddingService/Tokenize";
constexpr char kListModels[] = "/favor.v1.ModelService/ListModels";
constexpr char kLoadModel[] = "/favor.v1.ModelService/LoadModel";
constexpr char kUnloadModel[] = "/favor.v1.ModelService/UnloadModel";

// Puts what `decode` makes of an answer into `value`.
template <typename T, typename Decode>
auto Into(T* value, Decode decode) {
  return [value, decode](absl::string_view response) {
    absl::StatusOr<T> decoded = decode(response);
    if (decoded.ok()) *value = *std::move(decoded);
    return decoded.status();
  };
}

}  // namespace

absl::StatusOr<Embeddings> Client::Embed(absl::Span<const EmbedInput> inputs, const EmbedOptions& options) const {
  Embeddings embeddings;
  Impl::Exchange exchange;
  const auto decode = [&](absl::string_view response) { return DecodeEmbedResponse(response, inputs.size()); };
  const absl::Status status =
      impl_->Call(kEmbed, options.deadline, EncodeEmbedRequest(inputs, options), Into(&embeddings, decode), &exchange);
  if (!status.ok()) return status;
  embeddings.round_trip = exchange.round_trip;
  embeddings.num_attempts = exchange.num_attempts;
  embeddings.request_bytes = exchange.request_bytes;
  embeddings.response_bytes = exchange.response_bytes;
  return embeddings;
}

absl::StatusOr<std::vector<Tokens>> Client::Tokenize(absl::Span<const std::string> texts,
                                                     const TokenizeOptions& options) const {
  std::vector<Tokens> tokens;
  const auto decode = [&](absl::string_view response) { return DecodeTokenizeResponse(response, texts.size()); };
  const absl::Status status =
      impl_->Call(kTokenize, options.deadline, EncodeTokenizeRequest(texts, options), Into(&tokens, decode));
  if (!status.ok()) return status;
  return tokens;
}

absl::StatusOr<std::vector<ModelInfo>> Client::ListModels() const {
  std::vector<ModelInfo> models;
  const absl::Status status =
      impl_->Call(kListModels, std::nullopt, MessageBuilder(), Into(&models, DecodeListModelsResponse));
  if (!status.ok()) return status;
  return models;
}

absl::StatusOr<ModelInfo> Client::LoadModel(const std::string& name, const std::string& path) const {
  MessageBuilder request;
  request.AppendText(v1::LoadModelRequest::kNameFieldNumber, name);
  request.AppendText(v1::LoadModelRequest::kPathFieldNumber, path);
  ModelInfo model;
  const absl::Status status = impl_->Call(kLoadModel, std::nullopt, request, Into(&model, DecodeLoadModelResponse));
  if (!status.ok()) return status;
  return model;
}

absl::Status Client::UnloadModel(const std::string& name) const {
  MessageBuilder request;
  request.AppendText(v1::UnloadModelRequest::kNameFieldNumber, name);
  return impl_->Call(kUnloadModel, std::nullopt, request, [](absl::string_view) { return absl::OkStatus(); });
}

}  // namespace favor::client
