#include "client/embedding_stream.h"

#include <string>
#include <utility>

#include "client/client.h"
#include "client/transport/bidi_stream.h"
#include "client/transport/borrowed_memory.h"
#include "client/transport/client_impl.h"
#include "client/wire/decode_embed.h"
#include "client/wire/encode_embed.h"

namespace favor::client {
namespace {

constexpr char kEmbedStream[] = "/favor.v1.EmbeddingService/EmbedStream";

}  // namespace

class EmbeddingStream::Impl {
 public:
  Impl(const std::shared_ptr<grpc::Channel>& channel, const CallSettings& settings)
      : stream_(channel, kEmbedStream, settings) {}

  bool Send(const MessageBuilder& message) {
    if (!CheckMessageSize(message.size_bytes()).ok()) {
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

  bool SendInput(const EmbedInput& input) { return Send(EncodeEmbedStreamInput(num_sent_++, input)); }

  absl::StatusOr<std::optional<EmbedResult>> Read() {
    grpc::ByteBuffer message;
    if (!stream_.Read(&message)) {
      absl::Status status = stream_.Finish();
      if (!status.ok()) return status;
      return std::optional<EmbedResult>();
    }
    grpc::Slice slice;
    const absl::StatusOr<absl::string_view> bytes = Flatten(message, &slice);
    if (!bytes.ok()) return bytes.status();
    absl::StatusOr<EmbedResult> result = DecodeEmbedStreamResponse(*bytes);
    if (!result.ok()) return result.status();
    return std::optional<EmbedResult>(*std::move(result));
  }

  BidiStream& stream() { return stream_; }

 private:
  BidiStream stream_;
  uint64_t num_sent_ = 0;  // of the sending thread
};

EmbeddingStream::EmbeddingStream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
EmbeddingStream::EmbeddingStream(EmbeddingStream&&) noexcept = default;
EmbeddingStream& EmbeddingStream::operator=(EmbeddingStream&&) noexcept = default;
EmbeddingStream::~EmbeddingStream() = default;

bool EmbeddingStream::Send(const EmbedInput& input) { return impl_->SendInput(input); }
void EmbeddingStream::SendNoMore() { impl_->stream().WriteNoMore(); }
absl::StatusOr<std::optional<EmbedResult>> EmbeddingStream::Read() { return impl_->Read(); }
void EmbeddingStream::Cancel() { impl_->stream().Cancel(); }

EmbeddingStream Client::EmbedStream(const EmbedOptions& options) const {
  auto stream = std::make_unique<EmbeddingStream::Impl>(impl_->channel(), impl_->Settings(options.deadline));
  stream->Send(EncodeEmbedStreamStart(options));  // whether that went well Read() tells
  return EmbeddingStream(std::move(stream));
}

}  // namespace favor::client
