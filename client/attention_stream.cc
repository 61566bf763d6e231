#include "client/attention_stream.h"

#include <utility>

#include "client/client.h"
#include "client/transport/bidi_stream.h"
#include "client/transport/borrowed_memory.h"
#include "client/transport/client_impl.h"
#include "client/wire/decode_state.h"
#include "client/wire/encode_state.h"

namespace favor::client {
namespace {

constexpr char kAttendStream[] = "/favor.v1.AttentionService/AttendStream";

}  // namespace

class AttentionStream::Impl {
 public:
  Impl(const std::shared_ptr<grpc::Channel>& channel, const CallSettings& settings)
      : stream_(channel, kAttendStream, settings) {}

  bool Send(const MessageBuilder& message) {
    if (absl::Status status = CheckMessageSize(message.size_bytes()); !status.ok()) {
      stream_.Cancel();
      return false;
    }
    BorrowedMemory memory;
    grpc::ByteBuffer bytes = message.Build(&memory);
    const bool sent = stream_.Write(bytes);
    bytes.Clear();
    memory.AwaitReturn();
    return sent;
  }

  absl::StatusOr<std::optional<StreamAnswer>> Read() {
    grpc::ByteBuffer message;
    if (!stream_.Read(&message)) {
      absl::Status status = stream_.Finish();
      if (!status.ok()) return status;
      return std::optional<StreamAnswer>();
    }
    absl::StatusOr<StreamAnswer> answer = DecodeAttendStreamResponse(&message);
    if (!answer.ok()) return answer.status();
    return std::optional<StreamAnswer>(*std::move(answer));
  }

  BidiStream& stream() { return stream_; }

 private:
  BidiStream stream_;
};

AttentionStream::AttentionStream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
AttentionStream::AttentionStream(AttentionStream&&) noexcept = default;
AttentionStream& AttentionStream::operator=(AttentionStream&&) noexcept = default;
AttentionStream::~AttentionStream() = default;

bool AttentionStream::Send(const AttentionChunk& chunk) { return impl_->Send(EncodeStreamChunk(chunk)); }
bool AttentionStream::EndOfKeys() { return impl_->Send(EncodeStreamEndOfKeys()); }
bool AttentionStream::GetState(StateEncoding encoding) { return impl_->Send(EncodeStreamGetState(encoding)); }
void AttentionStream::SendNoMore() { impl_->stream().WriteNoMore(); }
absl::StatusOr<std::optional<StreamAnswer>> AttentionStream::Read() { return impl_->Read(); }
void AttentionStream::Cancel() { impl_->stream().Cancel(); }

AttentionStream Client::AttendStream(const AttendStreamOptions& options) const {
  auto stream = std::make_unique<AttentionStream::Impl>(impl_->channel(), impl_->Settings(options.deadline));
  stream->Send(EncodeStreamStart(options));  // whether that went well Read() tells
  return AttentionStream(std::move(stream));
}

}  // namespace favor::client
