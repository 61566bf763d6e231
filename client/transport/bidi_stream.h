#ifndef FAVOR_CLIENT_TRANSPORT_BIDI_STREAM_H_
#define FAVOR_CLIENT_TRANSPORT_BIDI_STREAM_H_

#include <memory>
#include <string>

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/sync_stream.h>
#include "absl/status/status.h"
#include "client/transport/call.h"

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

  // False when the call has ended.
  bool Write(const grpc::ByteBuffer& message) { return stream_->Write(message); }
  void WriteNoMore() { stream_->WritesDone(); }
  // False when there are no more messages: Finish() tells why.
  bool Read(grpc::ByteBuffer* message) { return stream_->Read(message); }
  // How the call ended; once Read() has returned false. May be called again.
  absl::Status Finish();
  void Cancel() { context_.TryCancel(); }

 private:
  const std::shared_ptr<grpc::Channel> channel_;
  const std::string method_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>> stream_;
  bool finished_ = false;
  absl::Status status_;
};

}  // namespace favor::client

#endif  // FAVOR_CLIENT_TRANSPORT_BIDI_STREAM_H_
