#include "server/services/embedding_service.h"

#include <utility>

#include "server/services/embed_method.h"
#include "server/services/embed_stream_method.h"
#include "server/services/tokenize_method.h"

namespace favor {
namespace {

constexpr char kService[] = "favor.v1.EmbeddingService";

}  // namespace

EmbeddingService::EmbeddingService(const EmbeddingDependencies& dependencies, const CallObservers& observers)
    : dependencies_(dependencies), service_(kService) {
  methods_.push_back({observers.ForMethod(kService, "Embed", "unary"), service_.Add("Embed"),
                      [this](std::shared_ptr<UnaryCall> call) { Embed(dependencies_, std::move(call)); },
                      [this](Priority priority) {
                        absl::Status status = dependencies_.admission->CheckRoom(priority);
                        return status.ok() ? dependencies_.batcher->CheckRoom(priority) : status;
                      }});
  methods_.push_back({observers.ForMethod(kService, "Tokenize", "unary"), service_.Add("Tokenize"),
                      [this](std::shared_ptr<UnaryCall> call) { Tokenize(dependencies_, std::move(call)); },
                      [this](Priority priority) { return dependencies_.admission->CheckRoom(priority); }});
  embed_stream_ = {observers.ForMethod(kService, "EmbedStream", "bidi_stream"), service_.Add("EmbedStream"),
                   observers.open_streams,
                   [this](std::shared_ptr<StreamCall> call) { EmbedStream(dependencies_, std::move(call)); }};
}

RpcServer::Service EmbeddingService::ForServer() {
  return {kService, &service_, [this](grpc::ServerCompletionQueue* queue) {
            for (const UnaryCall::Method& method : methods_) UnaryCall::ListenFor(&method, queue);
            StreamCall::ListenFor(&embed_stream_, queue);
          }};
}

}  // namespace favor
