#ifndef FAVOR_CLIENT_TRANSPORT_BIDI_STREAM_H_
#define FAVOR_CLIENT_TRANSPORT_BIDI_STREAM_H_

#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/sync_stream.h>
#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "client/transport/call.h"
#include "client/wire/message_builder.h"

namespace favor::client {

// A call with streams of messages both ways. Blocks. Thread-safe between one thread that writes and one that reads;
// Cancel() is for any thread.
class BidiStream {
 public:
  BidiStream(std::shared_ptr<grpc::Channel> channel, std::string method, const CallSettings& settings);
  BidiStream(const BidiStream&) = delete;
  BidiStream& operator=(const BidiStream&) = delete;
  // Cancels the call if it has not ended.
  ~BidiStream();

  // False when the call has ended; a message that is too large for gRPC ends it, and Read() says so. Memory that the
  // message borrows is no longer read after the return. Who never reads is told of the end as others are.
  bool Write(const MessageBuilder& message);
  void WriteNoMore();
  // What decode(grpc::ByteBuffer*), an absl::StatusOr of something, makes of the next message; nothing after the last.
  // An error is that of the call, which has ended then, or of decode.
  template <typename Decode>
  auto Read(Decode decode) -> absl::StatusOr<std::optional<typename decltype(decode(nullptr))::value_type>> {
    grpc::ByteBuffer message;
    if (!ReadMessage(&message)) {
      const absl::Status status = FinalStatus();
      if (!status.ok()) return status;
      return std::nullopt;
    }
    auto answer = decode(&message);
    if (!answer.ok()) return answer.status();
    return std::optional(*std::move(answer));
  }
  void Cancel();

 private:
  using Stream = grpc::ClientReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>;

  // False once there are no more messages; then FinalStatus() is how the call ended.
  bool ReadMessage(grpc::ByteBuffer* message);
  absl::Status FinalStatus();
  void Finish() ABSL_EXCLUSIVE_LOCKS_REQUIRED(reading_);
  // Sees to it that somebody reads while is_waiting_: who does not never learns that a call has ended.
  void ReadAhead();
  // Of a call that has ended: keeps its last messages and its status, and has gRPC forget it.
  void End();

  const std::shared_ptr<grpc::Channel> channel_;
  const std::string method_;
  std::unique_ptr<grpc::ClientContext> context_;  // that it is there is guarded by mutex_
  std::unique_ptr<Stream> stream_;                // reset by the thread that writes, under reading_

  absl::Mutex reading_;                                            // held for as long as a message is waited for
  std::deque<grpc::ByteBuffer> unread_ ABSL_GUARDED_BY(reading_);  // ahead, or of a call that is forgotten
  std::atomic<bool> finished_ = false;                             // changes under reading_
  absl::Status status_ ABSL_GUARDED_BY(reading_);

  absl::Mutex mutex_ ABSL_ACQUIRED_AFTER(reading_);
  absl::Status refused_ ABSL_GUARDED_BY(mutex_);  // why the writing thread has cancelled the call

  std::atomic<bool> is_waiting_ = false;  // the writing thread, for memory that gRPC holds
  std::atomic<bool> reads_ahead_ = false;
  std::thread ahead_;  // of the writing thread
};

}  // namespace favor::client

#endif  // FAVOR_CLIENT_TRANSPORT_BIDI_STREAM_H_
