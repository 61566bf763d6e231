#ifndef FAVOR_TESTS_SUPPORT_FAKE_COLLECTOR_H_
#define FAVOR_TESTS_SUPPORT_FAKE_COLLECTOR_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.grpc.pb.h"

namespace favor::testing {

// A collector of traces on a port of 127.0.0.1 that keeps what it is sent. Thread-safe.
class FakeCollector {
 public:
  using Request = opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest;
  using Response = opentelemetry::proto::collector::trace::v1::ExportTraceServiceResponse;
  using Span = opentelemetry::proto::trace::v1::Span;

  // Port 0 picks one.
  explicit FakeCollector(int port = 0) : service_(this) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(absl::StrCat("127.0.0.1:", port), grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
  }
  ~FakeCollector() {
    {
      absl::MutexLock lock(&mutex_);
      silent_ = false;
    }
    if (server_ != nullptr) server_->Shutdown(absl::ToChronoTime(absl::Now()));
  }

  std::string target() const { return absl::StrCat("127.0.0.1:", port_); }
  std::string url() const { return "http://" + target(); }

  // What the next requests are answered with.
  void Answer(const grpc::Status& status, const Response& response = {}) {
    absl::MutexLock lock(&mutex_);
    status_ = status;
    response_ = response;
  }
  // Takes requests and does not answer them any more.
  void FallSilent() {
    absl::MutexLock lock(&mutex_);
    silent_ = true;
  }

  std::vector<Request> requests() const {
    absl::MutexLock lock(&mutex_);
    return requests_;
  }
  // Of the requests that it answered with OK.
  std::vector<Span> spans() const {
    std::vector<Span> spans;
    for (const Request& request : requests()) {
      for (const auto& resource : request.resource_spans()) {
        for (const auto& scope : resource.scope_spans())
          spans.insert(spans.end(), scope.spans().begin(), scope.spans().end());
      }
    }
    return spans;
  }
  int num_attempts() const {
    absl::MutexLock lock(&mutex_);
    return num_attempts_;
  }

 private:
  class Service : public opentelemetry::proto::collector::trace::v1::TraceService::Service {
   public:
    explicit Service(FakeCollector* collector) : collector_(collector) {}
    grpc::Status Export(grpc::ServerContext* context, const Request* request, Response* response) override {
      return collector_->Take(*context, *request, response);
    }

   private:
    FakeCollector* const collector_;
  };

  grpc::Status Take(const grpc::ServerContext& context, const Request& request, Response* response) {
    absl::MutexLock lock(&mutex_);
    ++num_attempts_;
    while (silent_ && !context.IsCancelled()) mutex_.AwaitWithTimeout(absl::Condition(&never_), absl::Milliseconds(5));
    if (status_.ok()) requests_.push_back(request);
    *response = response_;
    return status_;
  }

  mutable absl::Mutex mutex_;
  grpc::Status status_ ABSL_GUARDED_BY(mutex_);
  Response response_ ABSL_GUARDED_BY(mutex_);
  bool silent_ ABSL_GUARDED_BY(mutex_) = false;
  bool never_ ABSL_GUARDED_BY(mutex_) = false;
  int num_attempts_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<Request> requests_ ABSL_GUARDED_BY(mutex_);
  int port_ = 0;
  Service service_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace favor::testing

#endif  // FAVOR_TESTS_SUPPORT_FAKE_COLLECTOR_H_
