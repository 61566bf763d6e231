#ifndef FAVOR_SERVER_RPC_STREAM_CALL_H_
#define FAVOR_SERVER_RPC_STREAM_CALL_H_

#include <functional>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/rpc/byte_service.h"
#include "server/rpc/call.h"
#include "server/rpc/open_streams.h"

namespace favor {

// A bidirectional stream of messages that stay bytes.
//
// Flow control is the handler's: a message is read when Read() asks for it and not before, so a client that sends on is
// stopped by HTTP/2; a message is sent when the client takes it, and then Write() calls back. Beside what the handler
// holds there are at most one message each way and HTTP/2's own windows.
//
// A stream that waits for its client alone, for a message or for one to be taken, for longer than the idle timeout ends
// with DEADLINE_EXCEEDED. While Work is going on it waits for its client only if the client takes no answers.
class StreamCall : public Call {
 public:
  struct Method {
    CallEnvironment environment;
    ByteService::RequestFunction request;
    OpenStreams* open_streams;  // not owned; null: this method's streams are not counted
    // Runs on a completion queue's thread, as do the functions given to Read() and Write(): must not block and must not
    // compute.
    std::function<void(std::shared_ptr<StreamCall>)> handle;
  };

  // Waits for one call of the method, and goes on waiting for further ones. The method must outlive the server.
  static void ListenFor(const Method* method, grpc::ServerCompletionQueue* queue) {
    auto call = std::shared_ptr<StreamCall>(new StreamCall(method));
    call->Listen(queue);
  }

  // The next message; nothing when the client sends no more, or is gone: cancellation() tells, though perhaps only some
  // moments later. One at a time.
  using OnMessage = std::function<void(std::optional<grpc::ByteBuffer> message)>;
  void Read(OnMessage on_message);

  // Sends a message. `sent` is false when the client is gone. One at a time, beside a Read().
  using OnSent = std::function<void(bool sent)>;
  void Write(const grpc::ByteBuffer& message, OnSent on_sent);

  // Ends the stream, once a message under way is sent. Of several calls, from any threads, the first counts. No
  // function given to Read() or Write() is called after it; further ones are dropped.
  void Finish(const absl::Status& status);

  // Adds to what the stream has taken so far, for the log: that tells it whoever ends the stream. Thread-safe.
  void AddTiming(const Timing& timing);

  // For as long as the server works for the stream: what passes meanwhile is not the client's delay.
  class Work {
   public:
    explicit Work(std::shared_ptr<StreamCall> call) : call_(std::move(call)) { call_->AddWork(1); }
    ~Work() { call_->AddWork(-1); }
    Work(const Work&) = delete;
    Work& operator=(const Work&) = delete;

   private:
    const std::shared_ptr<StreamCall> call_;
  };

 private:
  using Call::Fail;  // Finish() may be called more than once
  using Call::set_timing;

  explicit StreamCall(const Method* method) : Call(&method->environment), method_(method), stream_(context()) {}

  void Request(grpc::ServerCompletionQueue* queue, CompletionTag* arrived) override {
    method_->request(context(), &stream_, queue, arrived);
  }
  void ListenForNext(grpc::ServerCompletionQueue* queue) override { ListenFor(method_, queue); }
  void Handle() override;
  void SendStatus(const grpc::Status& status, CompletionTag* finished) override { stream_.Finish(status, finished); }

  void OnRead(bool ok);
  void OnWritten(bool ok);
  void EndIfIdle(absl::Time now, absl::Duration timeout) override;
  void AddWork(int amount);
  // Since when the stream has waited for its client; InfiniteFuture when it does not.
  absl::Time WaitingSince() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SendFinal(const absl::Status& status);

  const Method* const method_;
  ByteService::Stream stream_;
  CompletionTag read_tag_, written_tag_;
  grpc::ByteBuffer incoming_;   // of the read under way
  int64_t outgoing_bytes_ = 0;  // of the write under way
  bool is_counted_ = false;     // in open_streams

  absl::Mutex mutex_;
  OnMessage on_message_ ABSL_GUARDED_BY(mutex_);  // of the read under way
  OnSent on_sent_ ABSL_GUARDED_BY(mutex_);        // of the write under way
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);  // once Finish() was called
  int work_ ABSL_GUARDED_BY(mutex_) = 0;
  Timing taken_ ABSL_GUARDED_BY(mutex_);
  absl::Time last_event_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();  // until it has begun
};

}  // namespace favor

#endif  // FAVOR_SERVER_RPC_STREAM_CALL_H_
