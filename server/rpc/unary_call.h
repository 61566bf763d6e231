#ifndef FAVOR_SERVER_RPC_UNARY_CALL_H_
#define FAVOR_SERVER_RPC_UNARY_CALL_H_

#include <functional>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/rpc/byte_service.h"
#include "server/rpc/call.h"

namespace favor {

// A unary RPC whose messages stay bytes: whoever handles it reads the request and writes the response as it likes. It
// arrives with its headers; by these alone it may be refused, and then nothing of its message is read beyond what
// HTTP/2's window lets a client send unasked.
//
// A call that waits for its client alone, for the message or for the answer to be taken, for longer than the idle
// timeout ends with DEADLINE_EXCEEDED.
class UnaryCall : public Call {
 public:
  // A method: how to ask gRPC for a call of it, and what to do with one that arrived. Both functions run on a
  // completion queue's thread: must not block and must not compute.
  struct Method {
    CallEnvironment environment;
    ByteService::RequestFunction request;
    // The message is there.
    std::function<void(std::shared_ptr<UnaryCall>)> handle;
    // Only the headers are there: an error if any call of this priority, whatever it asks for, would be refused for
    // lack of room now. Null: it never would.
    std::function<absl::Status(Priority)> check_room = nullptr;
  };

  // Waits for one call of the method, and goes on waiting for further ones. The method must outlive the server.
  static void ListenFor(const Method* method, grpc::ServerCompletionQueue* queue) {
    auto call = std::shared_ptr<UnaryCall>(new UnaryCall(method));
    call->Listen(queue);
  }

  int64_t request_bytes() const { return static_cast<int64_t>(request_.Length()); }
  grpc::ByteBuffer TakeRequest() { return std::exchange(request_, grpc::ByteBuffer()); }

  // Ends the call with a response.
  void Reply(const grpc::ByteBuffer& response);

 private:
  explicit UnaryCall(const Method* method) : Call(&method->environment), method_(method), stream_(context()) {}

  void Request(grpc::ServerCompletionQueue* queue, CompletionTag* arrived) override {
    method_->request(context(), &stream_, queue, arrived);
  }
  void ListenForNext(grpc::ServerCompletionQueue* queue) override { ListenFor(method_, queue); }
  void Handle() override;
  void OnRead(bool ok);
  void SendStatus(const grpc::Status& status, CompletionTag* finished) override;
  void EndIfIdle(absl::Time now, absl::Duration timeout) override;
  void SetWaitingSince(absl::Time time, bool to_take);

  const Method* const method_;
  ByteService::Stream stream_;
  CompletionTag read_tag_;
  grpc::ByteBuffer request_;

  absl::Mutex mutex_;
  absl::Time waiting_since_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();  // for its client alone
  bool to_take_ ABSL_GUARDED_BY(mutex_) = false;                               // the answer; else to send the message
};

}  // namespace favor

#endif  // FAVOR_SERVER_RPC_UNARY_CALL_H_
