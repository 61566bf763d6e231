#ifndef FAVOR_TESTS_SERVER_SERVICES_RUNNING_SERVER_H_
#define FAVOR_TESTS_SERVER_SERVICES_RUNNING_SERVER_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "favor/v1/embedding.grpc.pb.h"
#include "favor/v1/model.grpc.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "gtest/gtest.h"
#include "server/config/command_line.h"
#include "server/server.h"
#include "tests/support/fake_model.h"

namespace favor::testing {

inline const Log* QuietLog() {
  static const Log log(2, LogLevel::kError);
  return &log;
}

// A model of 16 tokens from any folder but /missing; that of /ids has no tokenizer.
inline absl::StatusOr<std::shared_ptr<const Model>> LoadFake(const std::string& folder) {
  if (folder == "/missing") return absl::NotFoundError("/missing/config.json does not exist");
  FakeEncoderOptions options;
  options.max_tokens = 16;
  auto model = FakeModel(options);
  model->path = folder;
  if (folder == "/ids") model->tokenizer = nullptr;
  return model;
}

// A whole server with fake models, and stubs to call it.
class RunningServer {
 public:
  explicit RunningServer(std::vector<std::string> arguments, ModelRegistry::Loader loader = LoadFake,
                         const std::string& metrics_address = "") {
    arguments.insert(arguments.end(),
                     {"--address", "127.0.0.1:0", "--metrics-address", metrics_address, "--threads", "2"});
    auto started = Server::Start(ParseCommandLine(arguments, {})->config, QuietLog(), std::move(loader));
    EXPECT_TRUE(started.ok()) << started.status();
    server = *std::move(started);
    channel = grpc::CreateChannel(server->addresses()[0], grpc::InsecureChannelCredentials());
    embedding = v1::EmbeddingService::NewStub(channel);
    models = v1::ModelService::NewStub(channel);
    health = grpc::health::v1::Health::NewStub(channel);
  }
  ~RunningServer() {
    server->Drain([](absl::Duration) { return true; });
  }

  absl::Status Load() {
    return server->LoadModels([](absl::Duration time) {
      absl::SleepFor(time);
      return false;
    });
  }

  bool IsServing(const std::string& name) {
    grpc::health::v1::HealthCheckRequest request;
    request.set_service(name);
    grpc::health::v1::HealthCheckResponse response;
    grpc::ClientContext context;
    EXPECT_TRUE(health->Check(&context, request, &response).ok()) << name;
    return response.status() == grpc::health::v1::HealthCheckResponse::SERVING;
  }

  grpc::Status Embed(const v1::EmbedRequest& request, v1::EmbedResponse* response) {
    grpc::ClientContext context;
    return embedding->Embed(&context, request, response);
  }

  std::unique_ptr<Server> server;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1::EmbeddingService::Stub> embedding;
  std::unique_ptr<v1::ModelService::Stub> models;
  std::unique_ptr<grpc::health::v1::Health::Stub> health;
};

// The field that google.rpc.BadRequest names; empty when there is none.
inline std::string FieldIn(const grpc::Status& status) {
  google::rpc::Status details;
  google::rpc::BadRequest bad_request;
  if (!details.ParseFromString(status.error_details()) || details.details_size() == 0) return "";
  return details.details(0).UnpackTo(&bad_request) ? bad_request.field_violations(0).field() : "";
}

}  // namespace favor::testing

#endif  // FAVOR_TESTS_SERVER_SERVICES_RUNNING_SERVER_H_
