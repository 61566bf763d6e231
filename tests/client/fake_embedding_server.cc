#include "tests/client/fake_embedding_server.h"

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace favor::testing {
namespace {

v1::ModelInfo TinyModel() {
  v1::ModelInfo model;
  model.set_name("tiny");
  model.set_path("/models/tiny");
  model.set_model_id("00112233445566778899aabbccddeeff");
  model.set_architecture("bert");
  model.set_dimensions(3);
  model.set_max_tokens(512);
  model.set_vocabulary_size(30522);
  model.set_has_tokenizer(true);
  model.set_pooling(v1::POOLING_MEAN);
  model.add_poolings(v1::POOLING_MEAN);
  model.set_normalizes(true);
  (*model.mutable_prompts())["query"] = "search: ";
  model.set_num_parameters(22'713'216);
  model.set_memory_bytes(90'900'000);
  return model;
}

// Words with a token each, between [CLS] and [SEP].
v1::Tokens TokensOf(const std::string& text, bool special_tokens) {
  v1::Tokens tokens;
  const auto add = [&tokens](int32_t id, int64_t begin, int64_t end, const std::string& piece) {
    tokens.add_ids(id);
    tokens.add_begins(begin);
    tokens.add_ends(end);
    tokens.add_pieces(piece);
  };
  if (special_tokens) add(1, 0, 0, "[CLS]");
  int64_t begin = 0;
  for (const absl::string_view word : absl::StrSplit(text, ' ')) {
    const int64_t size = static_cast<int64_t>(word.size());
    if (size > 0) add(100 + static_cast<int32_t>(size), begin, begin + size, std::string(word));
    begin += size + 1;
  }
  if (special_tokens) add(2, 0, 0, "[SEP]");
  return tokens;
}

std::vector<int32_t> IdsOf(const v1::EmbedInput& input) {
  if (input.has_ids()) return {input.ids().ids().begin(), input.ids().ids().end()};
  const v1::Tokens tokens = TokensOf(input.text(), true);
  return {tokens.ids().begin(), tokens.ids().end()};
}

void EmbedOne(const v1::EmbedInput& input, v1::Pooling pooling, v1::EmbedResult* result) {
  const std::vector<int32_t> ids = IdsOf(input);
  const int64_t num_tokens = static_cast<int64_t>(ids.size());
  result->set_num_tokens(num_tokens);
  if (input.has_text() && num_tokens == 2) {
    result->mutable_error()->set_code(grpc::StatusCode::INVALID_ARGUMENT);
    result->mutable_error()->set_message("the text has no words");
    return;
  }
  result->set_num_tokens_used(num_tokens);
  result->set_num_windows(1);
  std::vector<float> values;
  if (pooling == v1::POOLING_NONE) {
    result->mutable_embedding()->add_shape(num_tokens);
    for (int64_t i = 0; i < num_tokens; ++i) {
      values.insert(values.end(), {static_cast<float>(ids[i]), static_cast<float>(i), 1.0f});
    }
  } else {
    values = {static_cast<float>(num_tokens), static_cast<float>(ids[input.has_text() ? 1 : 0]), 1.0f};
  }
  result->mutable_embedding()->add_shape(3);
  result->mutable_embedding()->set_type(v1::EMBEDDING_TYPE_F32);
  result->mutable_embedding()->set_data(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
}

}  // namespace

FakeEmbeddingServer::FakeEmbeddingServer() {
  models_["tiny"] = TinyModel();
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.SetMaxReceiveMessageSize(-1);
  builder.RegisterService(static_cast<v1::EmbeddingService::Service*>(this));
  builder.RegisterService(static_cast<v1::ModelService::Service*>(this));
  server_ = builder.BuildAndStart();
  endpoint_ = absl::StrCat("127.0.0.1:", port);
}

FakeEmbeddingServer::~FakeEmbeddingServer() { server_->Shutdown(std::chrono::system_clock::now()); }

void FakeEmbeddingServer::OnEmbed(EmbedHandler handler) {
  absl::MutexLock lock(&mutex_);
  on_embed_ = std::move(handler);
}

void FakeEmbeddingServer::OnTokenize(TokenizeHandler handler) {
  absl::MutexLock lock(&mutex_);
  on_tokenize_ = std::move(handler);
}

void FakeEmbeddingServer::SetDefaultPrompt(const std::string& model, const std::string& prompt) {
  absl::MutexLock lock(&mutex_);
  models_[model].set_default_prompt(prompt);
}

void FakeEmbeddingServer::SetPoolings(const std::string& model, const std::vector<v1::Pooling>& poolings) {
  absl::MutexLock lock(&mutex_);
  models_[model].clear_pooling();
  models_[model].clear_poolings();
  for (const v1::Pooling pooling : poolings) models_[model].add_poolings(pooling);
}

v1::EmbedRequest FakeEmbeddingServer::last_embed_request() const {
  absl::MutexLock lock(&mutex_);
  return last_embed_request_;
}

v1::TokenizeRequest FakeEmbeddingServer::last_tokenize_request() const {
  absl::MutexLock lock(&mutex_);
  return last_tokenize_request_;
}

v1::LoadModelRequest FakeEmbeddingServer::last_load_request() const {
  absl::MutexLock lock(&mutex_);
  return last_load_request_;
}

grpc::Status FakeEmbeddingServer::EmbedByDefault(const v1::EmbedRequest& request, v1::EmbedResponse* response) {
  v1::EmbedReport* report = response->mutable_report();
  for (const v1::EmbedInput& input : request.inputs()) {
    EmbedOne(input, request.pooling(), response->add_results());
    report->set_num_tokens(report->num_tokens() + response->results().rbegin()->num_tokens_used());
  }
  report->set_model("tiny");
  report->set_model_id("00112233445566778899aabbccddeeff");
  report->mutable_attention()->mutable_exact();
  report->mutable_queue_time()->set_nanos(1'000'000);
  report->mutable_compute_time()->set_nanos(2'000'000);
  report->set_server_version("9.8.7");
  report->set_cpu_target("FAKE");
  return grpc::Status::OK;
}

grpc::Status FakeEmbeddingServer::Embed(grpc::ServerContext*, const v1::EmbedRequest* request,
                                        v1::EmbedResponse* response) {
  EmbedHandler handler;
  {
    absl::MutexLock lock(&mutex_);
    last_embed_request_ = *request;
    handler = on_embed_;
  }
  ++num_embed_calls_;
  return handler ? handler(*request, response) : EmbedByDefault(*request, response);
}

grpc::Status FakeEmbeddingServer::EmbedStream(
    grpc::ServerContext*, grpc::ServerReaderWriter<v1::EmbedStreamResponse, v1::EmbedStreamRequest>* stream) {
  v1::EmbedStreamRequest request;
  if (!stream->Read(&request) || !request.has_start()) return {grpc::StatusCode::INVALID_ARGUMENT, "no start"};
  const v1::EmbedRequest start = request.start();
  if (!start.model().empty() && start.model() != "tiny") {
    return {grpc::StatusCode::NOT_FOUND, absl::StrCat("model is \"", start.model(), "\", no such model is loaded")};
  }
  while (stream->Read(&request)) {
    v1::EmbedStreamResponse response;
    response.set_id(request.input().id());
    EmbedOne(request.input().input(), start.pooling(), response.mutable_result());
    if (!stream->Write(response)) break;
  }
  return grpc::Status::OK;
}

grpc::Status FakeEmbeddingServer::Tokenize(grpc::ServerContext*, const v1::TokenizeRequest* request,
                                           v1::TokenizeResponse* response) {
  TokenizeHandler handler;
  {
    absl::MutexLock lock(&mutex_);
    last_tokenize_request_ = *request;
    handler = on_tokenize_;
  }
  if (handler) return handler(*request, response);
  for (const std::string& text : request->texts()) {
    v1::Tokens* tokens = response->add_results();
    *tokens = TokensOf(text, !request->without_special_tokens());
    if (!request->with_pieces()) tokens->clear_pieces();
  }
  return grpc::Status::OK;
}

grpc::Status FakeEmbeddingServer::ListModels(grpc::ServerContext*, const v1::ListModelsRequest*,
                                             v1::ListModelsResponse* response) {
  absl::MutexLock lock(&mutex_);
  for (const auto& [name, model] : models_) *response->add_models() = model;
  return grpc::Status::OK;
}

grpc::Status FakeEmbeddingServer::LoadModel(grpc::ServerContext*, const v1::LoadModelRequest* request,
                                            v1::LoadModelResponse* response) {
  absl::MutexLock lock(&mutex_);
  last_load_request_ = *request;
  v1::ModelInfo model = TinyModel();
  model.set_name(request->name());
  if (!request->path().empty()) model.set_path(request->path());
  *response->mutable_model() = model;
  models_[request->name()] = model;
  return grpc::Status::OK;
}

grpc::Status FakeEmbeddingServer::UnloadModel(grpc::ServerContext*, const v1::UnloadModelRequest* request,
                                              v1::UnloadModelResponse*) {
  absl::MutexLock lock(&mutex_);
  if (models_.erase(request->name()) > 0) return grpc::Status::OK;
  return {grpc::StatusCode::NOT_FOUND, absl::StrCat("name is \"", request->name(), "\", no such model is loaded")};
}

}  // namespace favor::testing
