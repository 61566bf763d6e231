#ifndef FAVOR_SERVER_RPC_REFUSED_STREAM_CALL_H_
#define FAVOR_SERVER_RPC_REFUSED_STREAM_CALL_H_

#include <functional>
#include <memory>

#include "grpcpp/support/async_stream.h"
#include "server/rpc/call.h"

namespace favor {

// A bidirectional stream that is refused without reading any of its messages.
class RefusedStreamCall : public Call {
 public:
  using Stream = grpc::ServerAsyncReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>;

  struct Method {
    CallEnvironment environment;
    // The Request* function of the generated raw service.
    std::function<void(grpc::ServerContext*, Stream*, grpc::ServerCompletionQueue*, void* tag)> request;
    absl::Status refusal;
  };

  // Waits for one call of the method, and goes on waiting for further ones. The method must outlive the server.
  static void ListenFor(const Method* method, grpc::ServerCompletionQueue* queue) {
    auto call = std::shared_ptr<RefusedStreamCall>(new RefusedStreamCall(method));
    call->Listen(queue);
  }

 private:
  explicit RefusedStreamCall(const Method* method) : Call(&method->environment), method_(method), stream_(context()) {}

  void Request(grpc::ServerCompletionQueue* queue, CompletionTag* arrived) override {
    method_->request(context(), &stream_, queue, arrived);
  }
  void ListenForNext(grpc::ServerCompletionQueue* queue) override { ListenFor(method_, queue); }
  std::optional<int64_t> RequestBytes() const override { return std::nullopt; }
  void Handle() override { Fail(method_->refusal); }
  void SendStatus(const grpc::Status& status, CompletionTag* finished) override { stream_.Finish(status, finished); }

  const Method* const method_;
  Stream stream_;
};

}  // namespace favor

#endif  // FAVOR_SERVER_RPC_REFUSED_STREAM_CALL_H_
