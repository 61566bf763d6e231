#include "server/services/embedding_service.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "favor/base/version.h"
#include "server/services/embed_method.h"
#include "server/services/tokenize_method.h"

namespace favor {
namespace {

constexpr char kService[] = "favor.v1.EmbeddingService";

absl::Status NotServed(absl::string_view method) {
  return absl::UnimplementedError(absl::StrCat("EmbeddingService.", method, " is not served by favord ", kVersion));
}

}  // namespace

EmbeddingService::EmbeddingService(const EmbeddingDependencies& dependencies, const CallObservers& observers)
    : dependencies_(dependencies) {
  const auto request = [this](auto function) { return UnaryCall::RequestFrom(&service_, function); };
  methods_.push_back({observers.ForMethod(kService, "Embed", "unary"), request(&RawService::RequestEmbed),
                      [this](std::shared_ptr<UnaryCall> call) { Embed(dependencies_, std::move(call)); }});
  methods_.push_back({observers.ForMethod(kService, "Tokenize", "unary"), request(&RawService::RequestTokenize),
                      [this](std::shared_ptr<UnaryCall> call) { Tokenize(dependencies_, std::move(call)); }});
  embed_stream_ = {observers.ForMethod(kService, "EmbedStream", "bidi_stream"),
                   [this](auto* context, auto* stream, auto* queue, void* tag) {
                     service_.RequestEmbedStream(context, stream, queue, queue, tag);
                   },
                   NotServed("EmbedStream")};
}

RpcServer::Service EmbeddingService::ForServer() {
  return {kService, &service_, [this](grpc::ServerCompletionQueue* queue) {
            for (const UnaryCall::Method& method : methods_) UnaryCall::ListenFor(&method, queue);
            RefusedStreamCall::ListenFor(&embed_stream_, queue);
          }};
}

}  // namespace favor
