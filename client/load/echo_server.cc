#include "client/load/echo_server.h"

#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/rpc_method.h>
#include <grpcpp/impl/codegen/rpc_service_method.h>
#include <grpcpp/impl/codegen/service_type.h>
#include <grpcpp/support/async_unary_call.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace favor::load {
namespace {

constexpr size_t kSizeBytes = sizeof(uint64_t);
constexpr uint64_t kMaxResponseBytes = UINT32_MAX;
constexpr size_t kZeroBytes = 1 << 20;
// Calls that may arrive before the thread asks for more.
constexpr int kWaitingCalls = 16;

// What the gRPC plugin generates for a raw asynchronous method.
class EchoService : public grpc::Service {
 public:
  EchoService() {
    AddMethod(
        new grpc::internal::RpcServiceMethod(kEchoMethod, grpc::internal::RpcMethod::NORMAL_RPC, nullptr));  // owned
    MarkMethodRaw(0);
  }
  void Request(grpc::ServerContext* context, grpc::ByteBuffer* request,
               grpc::ServerAsyncResponseWriter<grpc::ByteBuffer>* responder, grpc::ServerCompletionQueue* queue,
               void* tag) {
    RequestAsyncUnary(0, context, request, responder, queue, queue, tag);
  }
};

grpc::Status Echo(const grpc::ByteBuffer& request, grpc::ByteBuffer* response) {
  std::vector<grpc::Slice> slices;
  if (!request.Dump(&slices).ok()) return grpc::Status(grpc::StatusCode::INTERNAL, "the request cannot be read");
  unsigned char header[kSizeBytes] = {};
  size_t filled = 0;
  for (const grpc::Slice& slice : slices) {
    const size_t count = std::min(slice.size(), kSizeBytes - filled);
    std::memcpy(header + filled, slice.begin(), count);
    filled += count;
    if (filled == kSizeBytes) break;
  }
  uint64_t wanted = 0;
  for (size_t i = 0; i < kSizeBytes; ++i) wanted |= static_cast<uint64_t>(header[i]) << 8 * i;
  if (filled < kSizeBytes || wanted > kMaxResponseBytes) {
    return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "the request does not start with a response size");
  }
  std::vector<grpc::Slice> answer;
  for (size_t i = 0; wanted > 0; ++i) {
    static const grpc::Slice zeros(std::string(kZeroBytes, '\0'));
    const grpc::Slice& from = i < slices.size() ? slices[i] : zeros;
    const size_t count = std::min<uint64_t>(from.size(), wanted);
    if (count > 0) answer.push_back(from.sub(0, count));
    wanted -= count;
  }
  *response = grpc::ByteBuffer(answer.data(), answer.size());
  return grpc::Status::OK;
}

// A call, from waiting for its arrival to the end of its answer.
struct EchoCall {
  grpc::ServerContext context;
  grpc::ByteBuffer request;
  grpc::ServerAsyncResponseWriter<grpc::ByteBuffer> responder{&context};
  bool answered = false;
};

class AsyncEchoServer : public EchoServer {
 public:
  explicit AsyncEchoServer(const std::string& address) : address_(address) {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
    builder.SetMaxReceiveMessageSize(-1);
    builder.SetMaxSendMessageSize(-1);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.RegisterService(&service_);
    queue_ = builder.AddCompletionQueue();
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) return;
    // It is 1 for a socket that is no port.
    if (!absl::StartsWith(address, "unix:") && !absl::StartsWith(address, "unix-abstract:")) {
      address_ = absl::StrCat(address.substr(0, address.rfind(':')), ":", port);
    }
    for (int i = 0; i < kWaitingCalls; ++i) Listen();
    thread_ = std::thread([this] { Serve(); });
  }

  ~AsyncEchoServer() override {
    if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
    queue_->Shutdown();
    if (thread_.joinable()) thread_.join();
    void* tag;
    bool ok;
    while (queue_->Next(&tag, &ok)) {
    }
  }

  bool listens() const { return server_ != nullptr; }
  const std::string& address() const override { return address_; }

 private:
  void Listen() {
    auto* call = new EchoCall;
    service_.Request(&call->context, &call->request, &call->responder, queue_.get(), call);
  }

  void Serve() {
    void* tag;
    bool ok;
    while (queue_->Next(&tag, &ok)) {
      auto* call = static_cast<EchoCall*>(tag);
      if (!ok || call->answered) {
        delete call;
        continue;
      }
      Listen();
      Answer(call);
    }
  }

  static void Answer(EchoCall* call) {
    grpc::ByteBuffer response;
    const grpc::Status status = Echo(call->request, &response);
    call->request.Clear();
    call->answered = true;
    if (status.ok()) {
      call->responder.Finish(response, status, call);
    } else {
      call->responder.FinishWithError(status, call);
    }
  }

  std::string address_;
  EchoService service_;
  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::unique_ptr<grpc::Server> server_;
  std::thread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<EchoServer>> EchoServer::Start(const std::string& address) {
  auto server = std::make_unique<AsyncEchoServer>(address);
  if (!server->listens()) return absl::UnavailableError(absl::StrCat("cannot listen on ", address));
  return server;
}

}  // namespace favor::load
