#ifndef FAVOR_SERVER_RPC_UNARY_CALL_H_
#define FAVOR_SERVER_RPC_UNARY_CALL_H_

#include <functional>
#include <memory>
#include <utility>

#include "grpcpp/support/async_unary_call.h"
#include "server/rpc/call.h"

namespace favor {

// A unary RPC whose messages stay bytes: whoever handles it reads the request and writes the response as it likes.
class UnaryCall : public Call {
 public:
  using Responder = grpc::ServerAsyncResponseWriter<grpc::ByteBuffer>;

  // The Request* function of a generated raw service, with both queues the same.
  using RequestFunction =
      std::function<void(grpc::ServerContext*, grpc::ByteBuffer*, Responder*, grpc::ServerCompletionQueue*, void* tag)>;
  template <typename Service, typename Function>
  static RequestFunction RequestFrom(Service* service, Function function) {
    return [service, function](auto* context, auto* request, auto* responder, auto* queue, void* tag) {
      (service->*function)(context, request, responder, queue, queue, tag);
    };
  }

  // A method: how to ask gRPC for a call of it, and what to do with one that arrived.
  struct Method {
    CallEnvironment environment;
    RequestFunction request;
    // Runs on a completion queue's thread: must not block and must not compute.
    std::function<void(std::shared_ptr<UnaryCall>)> handle;
  };

  // Waits for one call of the method, and goes on waiting for further ones. The method must outlive the server.
  static void ListenFor(const Method* method, grpc::ServerCompletionQueue* queue) {
    auto call = std::shared_ptr<UnaryCall>(new UnaryCall(method));
    call->Listen(queue);
  }

  int64_t request_bytes() const { return static_cast<int64_t>(request_.Length()); }
  grpc::ByteBuffer TakeRequest() { return std::exchange(request_, grpc::ByteBuffer()); }

  // Ends the call with a response.
  void Reply(const grpc::ByteBuffer& response) {
    End(absl::OkStatus(), static_cast<int64_t>(response.Length()));
    responder_.Finish(response, grpc::Status::OK, finished_tag());
  }

 private:
  explicit UnaryCall(const Method* method) : Call(&method->environment), method_(method), responder_(context()) {}

  void Request(grpc::ServerCompletionQueue* queue, CompletionTag* arrived) override {
    method_->request(context(), &request_, &responder_, queue, arrived);
  }
  void ListenForNext(grpc::ServerCompletionQueue* queue) override { ListenFor(method_, queue); }
  void Handle() override {
    CountReceived(request_bytes());
    method_->handle(std::static_pointer_cast<UnaryCall>(shared_from_this()));
  }
  void SendStatus(const grpc::Status& status, CompletionTag* finished) override {
    request_.Clear();  // an error needs no request any more, however big it is
    responder_.FinishWithError(status, finished);
  }

  const Method* const method_;
  grpc::ByteBuffer request_;
  Responder responder_;
};

}  // namespace favor

#endif  // FAVOR_SERVER_RPC_UNARY_CALL_H_
