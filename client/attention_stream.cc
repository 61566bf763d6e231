#include "client/attention_stream.h"

#include <utility>

#include "client/client.h"
#include "client/transport/bidi_stream.h"
#include "client/transport/client_impl.h"
#include "client/wire/decode_state.h"
#include "client/wire/encode_state.h"

namespace favor::client {
namespace {

constexpr char kAttendStream[] = "/favor.v1.AttentionService/AttendStream";

}  // namespace

class AttentionStream::Impl {
 public:
  BidiStream stream;
};

AttentionStream::AttentionStream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
AttentionStream::AttentionStream(AttentionStream&&) noexcept = default;
AttentionStream& AttentionStream::operator=(AttentionStream&&) noexcept = default;
AttentionStream::~AttentionStream() = default;

bool AttentionStream::Start(const AttendStreamOptions& options) {
  return impl_->stream.Write(EncodeStreamStart(options));
}
bool AttentionStream::Send(const AttentionChunk& chunk) { return impl_->stream.Write(EncodeStreamChunk(chunk)); }
bool AttentionStream::EndOfKeys() { return impl_->stream.Write(EncodeStreamEndOfKeys()); }
bool AttentionStream::GetState(StateEncoding encoding) { return impl_->stream.Write(EncodeStreamGetState(encoding)); }
void AttentionStream::SendNoMore() { impl_->stream.WriteNoMore(); }
absl::StatusOr<std::optional<StreamAnswer>> AttentionStream::Read() {
  return impl_->stream.Read([](grpc::ByteBuffer* message) { return DecodeAttendStreamResponse(message); });
}
void AttentionStream::Cancel() { impl_->stream.Cancel(); }

AttentionStream Client::OpenAttendStream(std::optional<absl::Duration> deadline) const {
  std::unique_ptr<AttentionStream::Impl> stream(
      new AttentionStream::Impl{{impl_->channel(), kAttendStream, impl_->Settings(deadline)}});
  return AttentionStream(std::move(stream));
}

AttentionStream Client::AttendStream(const AttendStreamOptions& options) const {
  AttentionStream stream = OpenAttendStream(options.deadline);
  stream.Start(options);  // whether that went well Read() tells
  return stream;
}

}  // namespace favor::client
