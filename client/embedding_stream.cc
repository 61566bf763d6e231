#include "client/embedding_stream.h"

#include <string>
#include <utility>

#include "client/client.h"
#include "client/transport/bidi_stream.h"
#include "client/transport/client_impl.h"
#include "client/wire/decode_embed.h"
#include "client/wire/encode_embed.h"

namespace favor::client {
namespace {

constexpr char kEmbedStream[] = "/favor.v1.EmbeddingService/EmbedStream";

absl::StatusOr<EmbedResult> Decode(grpc::ByteBuffer* message) {
  grpc::Slice slice;
  const absl::StatusOr<absl::string_view> bytes = Flatten(*message, &slice);
  return bytes.ok() ? DecodeEmbedStreamResponse(*bytes) : bytes.status();
}

}  // namespace

class EmbeddingStream::Impl {
 public:
  BidiStream stream;
  uint64_t num_sent = 0;  // of the sending thread
};

EmbeddingStream::EmbeddingStream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
EmbeddingStream::EmbeddingStream(EmbeddingStream&&) noexcept = default;
EmbeddingStream& EmbeddingStream::operator=(EmbeddingStream&&) noexcept = default;
EmbeddingStream::~EmbeddingStream() = default;

bool EmbeddingStream::Send(const EmbedInput& input) {
  return impl_->stream.Write(EncodeEmbedStreamInput(impl_->num_sent++, input));
}
void EmbeddingStream::SendNoMore() { impl_->stream.WriteNoMore(); }
absl::StatusOr<std::optional<EmbedResult>> EmbeddingStream::Read() { return impl_->stream.Read(Decode); }
void EmbeddingStream::Cancel() { impl_->stream.Cancel(); }

EmbeddingStream Client::EmbedStream(const EmbedOptions& options) const {
  std::unique_ptr<EmbeddingStream::Impl> stream(
      new EmbeddingStream::Impl{{impl_->channel(), kEmbedStream, impl_->Settings(options.deadline)}});
  stream->stream.Write(EncodeEmbedStreamStart(options));  // whether that went well Read() tells
  return EmbeddingStream(std::move(stream));
}

}  // namespace favor::client
