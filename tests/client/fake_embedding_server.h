#ifndef FAVOR_TESTS_CLIENT_FAKE_EMBEDDING_SERVER_H_
#define FAVOR_TESTS_CLIENT_FAKE_EMBEDDING_SERVER_H_

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/synchronization/mutex.h"
#include "favor/v1/embedding.grpc.pb.h"
#include "favor/v1/model.grpc.pb.h"

namespace favor::testing {

// Serves EmbeddingService and ModelService as a test tells it to, on a free port of 127.0.0.1.
//
// By default it has the model "tiny" of 3 dimensions, whose tokens are the words of a text between [CLS] = 1 and
// [SEP] = 2: the id of a word is 100 + its length. A vector is (number of tokens, first id that is not special, 1),
// float32, for every pooling but NONE: there each token has its id, its position and 1. An input without words is an
// error of its own. Thread-safe.
class FakeEmbeddingServer : private v1::EmbeddingService::Service, private v1::ModelService::Service {
 public:
  using EmbedHandler = std::function<grpc::Status(const v1::EmbedRequest&, v1::EmbedResponse*)>;
  using TokenizeHandler = std::function<grpc::Status(const v1::TokenizeRequest&, v1::TokenizeResponse*)>;

  FakeEmbeddingServer();
  ~FakeEmbeddingServer() override;

  // "127.0.0.1:port".
  const std::string& endpoint() const { return endpoint_; }

  // In place of the default.
  void OnEmbed(EmbedHandler handler);
  void OnTokenize(TokenizeHandler handler);
  // Of the model of that name, until it is loaded anew.
  void SetDefaultPrompt(const std::string& model, const std::string& prompt);
  // Several.
  void SetPoolings(const std::string& model, const std::vector<v1::Pooling>& poolings);

  // What it does by default.
  static grpc::Status EmbedByDefault(const v1::EmbedRequest& request, v1::EmbedResponse* response);

  int num_embed_calls() const { return num_embed_calls_; }
  v1::EmbedRequest last_embed_request() const;
  v1::TokenizeRequest last_tokenize_request() const;
  v1::LoadModelRequest last_load_request() const;

 private:
  grpc::Status Embed(grpc::ServerContext* context, const v1::EmbedRequest* request,
                     v1::EmbedResponse* response) override;
  // An answer after every input, as by default; EmbedHandler decides nothing here.
  grpc::Status EmbedStream(grpc::ServerContext* context,
                           grpc::ServerReaderWriter<v1::EmbedStreamResponse, v1::EmbedStreamRequest>* stream) override;
  grpc::Status Tokenize(grpc::ServerContext* context, const v1::TokenizeRequest* request,
                        v1::TokenizeResponse* response) override;
  grpc::Status ListModels(grpc::ServerContext* context, const v1::ListModelsRequest* request,
                          v1::ListModelsResponse* response) override;
  grpc::Status LoadModel(grpc::ServerContext* context, const v1::LoadModelRequest* request,
                         v1::LoadModelResponse* response) override;
  grpc::Status UnloadModel(grpc::ServerContext* context, const v1::UnloadModelRequest* request,
                           v1::UnloadModelResponse* response) override;

  mutable absl::Mutex mutex_;
  EmbedHandler on_embed_;
  TokenizeHandler on_tokenize_;
  v1::EmbedRequest last_embed_request_;
  v1::TokenizeRequest last_tokenize_request_;
  v1::LoadModelRequest last_load_request_;
  std::map<std::string, v1::ModelInfo> models_;
  std::atomic<int> num_embed_calls_{0};
  std::string endpoint_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace favor::testing

#endif  // FAVOR_TESTS_CLIENT_FAKE_EMBEDDING_SERVER_H_
