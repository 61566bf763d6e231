#include "client/sequence_stream.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/client.h"
#include "client/transport/bidi_stream.h"
#include "client/transport/client_impl.h"
#include "client/wire/decode_embed.h"
#include "client/wire/encode_embed.h"
#include "client/wire/field_reader.h"
#include "favor/format/file_io.h"
#include "favor/format/replace_file.h"
#include "favor/v1/embedding.pb.h"

namespace favor::client {
namespace {

constexpr char kEmbedStream[] = "/favor.v1.EmbeddingService/EmbedStream";

absl::StatusOr<SequenceAnswer> Decode(grpc::ByteBuffer* message) {
  grpc::Slice slice;
  const absl::StatusOr<absl::string_view> bytes = Flatten(*message, &slice);
  return bytes.ok() ? DecodeEmbedSequenceResponse(*bytes) : bytes.status();
}

}  // namespace

absl::StatusOr<SequenceState> SequenceState::Parse(std::string serialized) {
  using Wire = v1::EncoderState;
  auto data = std::make_shared<Data>();
  data->serialized = std::move(serialized);
  FieldReader reader(data->serialized);
  uint64_t version = 0;
  while (const auto field = reader.Next()) {
    if (field->number == Wire::kVersionFieldNumber) version = field->varint;
    if (field->number == Wire::kModelIdFieldNumber) data->model_id = std::string(field->bytes);
    if (field->number == Wire::kNumTokensFieldNumber) data->num_tokens = static_cast<int64_t>(field->varint);
  }
  if (reader.malformed()) {
    return absl::InvalidArgumentError("is no favor.v1.EncoderState: its bytes end early or make no fields");
  }
  if (version == 0 || data->model_id.empty()) {
    return absl::InvalidArgumentError("is no favor.v1.EncoderState: it has no version or no model_id");
  }
  return SequenceState(std::move(data));
}

absl::StatusOr<SequenceState> SequenceState::Load(const std::string& path) {
  const absl::StatusOr<MappedFile> file = MappedFile::Open(path);
  if (!file.ok()) return file.status();
  absl::StatusOr<SequenceState> state =
      Parse(std::string(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size()));
  if (!state.ok()) return absl::InvalidArgumentError(absl::StrCat(path, " ", state.status().message()));
  return state;
}

absl::Status SequenceState::Save(const std::string& path) const { return ReplaceFile(path, serialized()); }

class SequenceStream::Impl {
 public:
  BidiStream stream;
};

SequenceStream::SequenceStream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SequenceStream::SequenceStream(SequenceStream&&) noexcept = default;
SequenceStream& SequenceStream::operator=(SequenceStream&&) noexcept = default;
SequenceStream::~SequenceStream() = default;

bool SequenceStream::Send(absl::Span<const int32_t> ids) { return impl_->stream.Write(EncodeEmbedStreamTokens(ids)); }
bool SequenceStream::GetState() { return impl_->stream.Write(EncodeEmbedStreamGetState()); }
void SequenceStream::SendNoMore() { impl_->stream.WriteNoMore(); }
absl::StatusOr<std::optional<SequenceAnswer>> SequenceStream::Read() { return impl_->stream.Read(Decode); }
void SequenceStream::Cancel() { impl_->stream.Cancel(); }

SequenceStream Client::EmbedSequence(const SequenceOptions& options) const {
  std::unique_ptr<SequenceStream::Impl> stream(
      new SequenceStream::Impl{{impl_->channel(), kEmbedStream, impl_->Settings(options.deadline)}});
  stream->stream.Write(EncodeEmbedStreamSequence(options));  // whether that went well Read() tells
  return SequenceStream(std::move(stream));
}

}  // namespace favor::client
