#include "client/transport/bidi_stream.h"

#include <utility>

#include <grpcpp/impl/codegen/rpc_method.h>
#include "client/transport/borrowed_memory.h"
#include "client/transport/client_impl.h"
#include "client/transport/status.h"

namespace favor::client {

BidiStream::BidiStream(std::shared_ptr<grpc::Channel> channel, std::string method, const CallSettings& settings)
    : channel_(std::move(channel)), method_(std::move(method)) {
  Apply(settings, &context_);
  // What generated stubs do. A stream of GenericStub has one queue, which two threads cannot wait at for their own
  // operations.
  const grpc::internal::RpcMethod rpc(method_.c_str(), grpc::internal::RpcMethod::BIDI_STREAMING, channel_);
  stream_.reset(grpc::internal::ClientReaderWriterFactory<grpc::ByteBuffer, grpc::ByteBuffer>::Create(channel_.get(),
                                                                                                      rpc, &context_));
}

BidiStream::~BidiStream() {
  if (finished_) return;
  context_.TryCancel();
  // gRPC wants to be asked for the status, and all messages to be read before.
  grpc::ByteBuffer message;
  while (stream_->Read(&message)) {
  }
  Finish().IgnoreError();
}

bool BidiStream::Write(const MessageBuilder& message) {
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
  memory.AwaitReturn();
  return sent;
}

absl::Status BidiStream::Finish() {
  if (!finished_) {
    finished_ = true;
    status_ = FromGrpc(stream_->Finish());
    absl::MutexLock lock(&mutex_);
    if (absl::IsCancelled(status_) && !refused_.ok()) status_ = refused_;
  }
  return status_;
}

}  // namespace favor::client
