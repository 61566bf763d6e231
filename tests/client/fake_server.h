#ifndef FAVOR_TESTS_CLIENT_FAKE_SERVER_H_
#define FAVOR_TESTS_CLIENT_FAKE_SERVER_H_

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/synchronization/mutex.h"
#include "favor/v1/attention.grpc.pb.h"
#include "favor/v1/info.grpc.pb.h"
#include "google/rpc/error_details.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace favor::testing {

// A favord that answers what a test tells it to, on a free port of 127.0.0.1. By default Attend answers zeros of the
// right shape, and every service is SERVING. Thread-safe.
class FakeServer : private v1::AttentionService::Service,
                   private v1::InfoService::Service,
                   private grpc::health::v1::Health::Service {
 public:
  using AttendHandler = std::function<grpc::Status(const v1::AttendRequest&, v1::AttendResponse*)>;
  using ServingStatus = grpc::health::v1::HealthCheckResponse::ServingStatus;

  explicit FakeServer(std::shared_ptr<grpc::ServerCredentials> credentials = grpc::InsecureServerCredentials());
  ~FakeServer() override;

  // "127.0.0.1:port".
  const std::string& endpoint() const { return endpoint_; }

  void OnAttend(AttendHandler handler);
  // The health of the server as a whole; tells those who watch.
  void SetHealth(ServingStatus status);

  int num_attend_calls() const { return num_attend_calls_; }
  // Request metadata of the last Attend.
  std::multimap<std::string, std::string> last_metadata() const;
  v1::AttendRequest last_request() const;

 private:
  grpc::Status Attend(grpc::ServerContext* context, const v1::AttendRequest* request,
                      v1::AttendResponse* response) override;
  // For every key head the first key as its shift and the spec's scale as its proposal.
  grpc::Status Calibrate(grpc::ServerContext* context, const v1::CalibrateRequest* request,
                         v1::CalibrateResponse* response) override;
  grpc::Status GetServerInfo(grpc::ServerContext* context, const v1::GetServerInfoRequest* request,
                             v1::GetServerInfoResponse* response) override;
  grpc::Status Check(grpc::ServerContext* context, const grpc::health::v1::HealthCheckRequest* request,
                     grpc::health::v1::HealthCheckResponse* response) override;
  grpc::Status Watch(grpc::ServerContext* context, const grpc::health::v1::HealthCheckRequest* request,
                     grpc::ServerWriter<grpc::health::v1::HealthCheckResponse>* writer) override;

  mutable absl::Mutex mutex_;
  AttendHandler handler_;
  ServingStatus health_ = grpc::health::v1::HealthCheckResponse::SERVING;
  std::multimap<std::string, std::string> last_metadata_;
  v1::AttendRequest last_request_;
  std::atomic<int> num_attend_calls_{0};
  std::string endpoint_;
  std::unique_ptr<grpc::Server> server_;
};

// A status with one google.rpc detail.
grpc::Status StatusWithDetail(grpc::StatusCode code, const std::string& message,
                              const google::protobuf::Message& detail);

}  // namespace favor::testing

#endif  // FAVOR_TESTS_CLIENT_FAKE_SERVER_H_
