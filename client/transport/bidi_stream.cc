#include "client/transport/bidi_stream.h"

#include <utility>

#include <grpcpp/impl/codegen/rpc_method.h>
#include "client/transport/borrowed_memory.h"
#include "client/transport/client_impl.h"
#include "client/transport/status.h"

namespace favor::client {
namespace {

// How often a message that is under way looks whether its call has ended.
constexpr absl::Duration kBetweenLooks = absl::Milliseconds(20);

}  // namespace

BidiStream::BidiStream(std::shared_ptr<grpc::Channel> channel, std::string method, const CallSettings& settings)
    : channel_(std::move(channel)), method_(std::move(method)), context_(std::make_unique<grpc::ClientContext>()) {
  Apply(settings, context_.get());
  // What generated stubs do. A stream of GenericStub has one queue, which two threads cannot wait at for their own
  // operations.
  const grpc::internal::RpcMethod rpc(method_.c_str(), grpc::internal::RpcMethod::BIDI_STREAMING, channel_);
  stream_.reset(grpc::internal::ClientReaderWriterFactory<grpc::ByteBuffer, grpc::ByteBuffer>::Create(
      channel_.get(), rpc, context_.get()));
}

BidiStream::~BidiStream() {
  Cancel();
  End();
  if (ahead_.joinable()) ahead_.join();
}

bool BidiStream::Write(const MessageBuilder& message) {
  if (stream_ == nullptr) return false;
  if (absl::Status status = CheckMessageSize(message.size_bytes()); !status.ok()) {
    {
      absl::MutexLock lock(&mutex_);
      refused_ = std::move(status);
    }
    Cancel();
    return false;
  }
  BorrowedMemory memory;
  grpc::ByteBuffer bytes = message.Build(&memory);
  const bool sent = stream_->Write(bytes);
  bytes.Clear();
  if (!sent) End();
  // The last of it may still wait in flow control, where it stays when the call ends: gRPC lets go of that with the
  // call itself and not before.
  while (!memory.AwaitReturn(kBetweenLooks)) {
    is_waiting_ = true;
    finished_ ? End() : ReadAhead();
  }
  is_waiting_ = false;
  return sent;
}

void BidiStream::ReadAhead() {
  if (reads_ahead_.exchange(true)) return;
  if (ahead_.joinable()) ahead_.join();
  ahead_ = std::thread([this] {
    while (is_waiting_) {
      absl::MutexLock lock(&reading_);
      if (finished_) break;
      grpc::ByteBuffer message;
      stream_->Read(&message) ? unread_.push_back(message) : Finish();
    }
    reads_ahead_ = false;
  });
}

void BidiStream::WriteNoMore() {
  if (stream_ != nullptr) stream_->WritesDone();
}

void BidiStream::Cancel() {
  absl::MutexLock lock(&mutex_);
  if (context_ != nullptr) context_->TryCancel();
}

bool BidiStream::ReadMessage(grpc::ByteBuffer* message) {
  absl::MutexLock lock(&reading_);
  if (!unread_.empty()) {
    *message = std::move(unread_.front());
    unread_.pop_front();
    return true;
  }
  if (finished_) return false;
  if (stream_->Read(message)) return true;
  Finish();
  return false;
}

absl::Status BidiStream::FinalStatus() {
  absl::MutexLock lock(&reading_);
  return status_;
}

void BidiStream::Finish() {
  status_ = FromGrpc(stream_->Finish());
  finished_ = true;
  absl::MutexLock lock(&mutex_);
  if (absl::IsCancelled(status_) && !refused_.ok()) status_ = refused_;
}

void BidiStream::End() {
  absl::MutexLock lock(&reading_);
  if (stream_ == nullptr) return;
  // gRPC wants to be asked for the status, and all messages to be read before.
  if (!finished_) {
    grpc::ByteBuffer message;
    while (stream_->Read(&message)) {
      unread_.push_back(message);
      message.Clear();
    }
    Finish();
  }
  stream_.reset();
  absl::MutexLock context_lock(&mutex_);
  context_.reset();
}

}  // namespace favor::client
