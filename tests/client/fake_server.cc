#include "tests/client/fake_server.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "google/rpc/status.pb.h"

namespace favor::testing {
namespace {

// Zeros of the queries' shape with the values' last axis, float32.
void AnswerZeros(const v1::AttendRequest& request, v1::AttendResponse* response) {
  v1::Tensor* output = response->mutable_output();
  output->set_data_type(v1::DATA_TYPE_F32);
  int64_t size_bytes = sizeof(float);
  for (int axis = 0; axis < request.queries().shape_size(); ++axis) {
    const bool last = axis + 1 == request.queries().shape_size();
    output->add_shape(last ? request.values().shape(axis) : request.queries().shape(axis));
    size_bytes *= output->shape(axis);
  }
  output->set_data(std::string(size_bytes, '\0'));
}

}  // namespace

FakeServer::FakeServer(std::shared_ptr<grpc::ServerCredentials> credentials) {
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", std::move(credentials), &port);
  builder.SetMaxReceiveMessageSize(-1);
  builder.RegisterService(static_cast<v1::AttentionService::Service*>(this));
  builder.RegisterService(static_cast<v1::InfoService::Service*>(this));
  builder.RegisterService(static_cast<grpc::health::v1::Health::Service*>(this));
  server_ = builder.BuildAndStart();
  endpoint_ = absl::StrCat("127.0.0.1:", port);
}

FakeServer::~FakeServer() { server_->Shutdown(std::chrono::system_clock::now()); }

void FakeServer::OnAttend(AttendHandler handler) {
  absl::MutexLock lock(&mutex_);
  handler_ = std::move(handler);
}

void FakeServer::SetHealth(ServingStatus status) {
  absl::MutexLock lock(&mutex_);
  health_ = status;
}

std::multimap<std::string, std::string> FakeServer::last_metadata() const {
  absl::MutexLock lock(&mutex_);
  return last_metadata_;
}

v1::AttendRequest FakeServer::last_request() const {
  absl::MutexLock lock(&mutex_);
  return last_request_;
}

grpc::Status FakeServer::Attend(grpc::ServerContext* context, const v1::AttendRequest* request,
                                v1::AttendResponse* response) {
  AttendHandler handler;
  {
    absl::MutexLock lock(&mutex_);
    last_metadata_.clear();
    for (const auto& [key, value] : context->client_metadata()) {
      last_metadata_.emplace(std::string(key.data(), key.size()), std::string(value.data(), value.size()));
    }
    last_request_ = *request;
    handler = handler_;
  }
  ++num_attend_calls_;
  if (handler) return handler(*request, response);
  AnswerZeros(*request, response);
  return grpc::Status::OK;
}

grpc::Status FakeServer::Calibrate(grpc::ServerContext*, const v1::CalibrateRequest* request,
                                   v1::CalibrateResponse* response) {
  const v1::Tensor& keys = request->keys();
  const bool length_first = request->spec().layout() == v1::LAYOUT_BATCH_LENGTH_HEADS_DIM;
  const int64_t first_key =
      keys.shape(3) * (length_first ? 1 : keys.shape(2));  // of a head after that of the one before
  for (int64_t head = 0; head < keys.shape(length_first ? 2 : 1); ++head) {
    v1::Statistics::Head* statistics = response->mutable_statistics()->add_heads();
    statistics->add_proposal(request->spec().scale());
    for (int64_t l = 0; l < keys.shape(3); ++l) {
      float value;
      std::memcpy(&value, keys.data().data() + (head * first_key + l) * sizeof(value), sizeof(value));
      statistics->add_key_shift(value);
    }
  }
  return grpc::Status::OK;
}

grpc::Status FakeServer::GetServerInfo(grpc::ServerContext*, const v1::GetServerInfoRequest*,
                                       v1::GetServerInfoResponse* response) {
  response->set_version("9.8.7");
  response->set_build("test");
  response->set_cpu_target("FAKE");
  response->set_num_compute_threads(2);
  response->mutable_limits()->set_max_message_bytes(int64_t{256} << 20);
  response->mutable_limits()->set_memory_budget_bytes(int64_t{1} << 30);
  response->mutable_limits()->set_max_num_features(65536);
  response->mutable_limits()->set_max_head_dim(512);
  response->mutable_limits()->set_max_value_dim(511);
  response->mutable_limits()->set_max_inputs_per_request(65535);
  return grpc::Status::OK;
}

grpc::Status FakeServer::Check(grpc::ServerContext*, const grpc::health::v1::HealthCheckRequest* request,
                               grpc::health::v1::HealthCheckResponse* response) {
  if (!request->service().empty() && request->service() != "favor.v1.AttentionService") {
    return {grpc::StatusCode::NOT_FOUND, "no such service"};
  }
  absl::MutexLock lock(&mutex_);
  response->set_status(health_);
  return grpc::Status::OK;
}

grpc::Status FakeServer::Watch(grpc::ServerContext* context, const grpc::health::v1::HealthCheckRequest*,
                               grpc::ServerWriter<grpc::health::v1::HealthCheckResponse>* writer) {
  int last = -1;
  while (!context->IsCancelled()) {
    absl::MutexLock lock(&mutex_);
    const auto changed = [this, &last] { return static_cast<int>(health_) != last; };
    if (!mutex_.AwaitWithTimeout(absl::Condition(&changed), absl::Milliseconds(20))) continue;
    last = health_;
    grpc::health::v1::HealthCheckResponse response;
    response.set_status(health_);
    writer->Write(response);
  }
  return grpc::Status::CANCELLED;
}

grpc::Status StatusWithDetail(grpc::StatusCode code, const std::string& message,
                              const google::protobuf::Message& detail) {
  google::rpc::Status status;
  status.set_code(code);
  status.set_message(message);
  status.add_details()->PackFrom(detail);
  return {code, message, status.SerializeAsString()};
}

}  // namespace favor::testing
