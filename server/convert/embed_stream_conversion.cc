#include "server/convert/embed_stream_conversion.h"

#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "google/protobuf/wire_format_lite.h"
#include "server/convert/field_error.h"
#include "server/convert/item_reader.h"

namespace favor {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;
using Kind = EmbedStreamMessage::Kind;

absl::Status Malformed() {
  return absl::InvalidArgumentError("the message is no EmbedStreamRequest: Protobuf cannot parse it");
}

// The bytes of a length-delimited field whose tag was read.
bool ReadBytes(absl::string_view all, CodedInputStream* input, absl::string_view* bytes) {
  uint32_t size = 0;
  if (!input->ReadVarint32(&size)) return false;
  const size_t begin = static_cast<size_t>(input->CurrentPosition());
  if (size > all.size() - begin || !input->Skip(static_cast<int>(size))) return false;
  *bytes = all.substr(begin, size);
  return true;
}

bool IsLengthDelimited(uint32_t tag) {
  return WireFormatLite::GetTagWireType(tag) == WireFormatLite::WIRETYPE_LENGTH_DELIMITED;
}

CodedInputStream Over(absl::string_view bytes) {
  return CodedInputStream(reinterpret_cast<const uint8_t*>(bytes.data()), static_cast<int>(bytes.size()));
}

bool ReadInput(absl::string_view bytes, EmbedStreamMessage* message) {
  using Wire = v1::EmbedStreamRequest::Input;
  CodedInputStream input = Over(bytes);
  while (const uint32_t tag = input.ReadTag()) {
    if (tag == WireFormatLite::MakeTag(Wire::kIdFieldNumber, WireFormatLite::WIRETYPE_VARINT)) {
      if (!input.ReadVarint64(&message->id)) return false;
    } else if (WireFormatLite::GetTagFieldNumber(tag) == Wire::kInputFieldNumber && IsLengthDelimited(tag)) {
      if (!ReadBytes(bytes, &input, &message->body)) return false;
    } else if (!WireFormatLite::SkipField(&input, tag)) {
      return false;
    }
  }
  return input.ConsumedEntireMessage();
}

// The kind of a message with this field; kNone for a field that is not known.
Kind KindOf(int field) {
  using Wire = v1::EmbedStreamRequest;
  switch (field) {
    case Wire::kStartFieldNumber:
      return Kind::kStart;
    case Wire::kInputFieldNumber:
      return Kind::kInput;
    case Wire::kSequenceFieldNumber:
      return Kind::kSequence;
    case Wire::kTokensFieldNumber:
      return Kind::kTokens;
    default:
      return Kind::kNone;
  }
}

}  // namespace

absl::StatusOr<EmbedStreamMessage> ReadEmbedStreamMessage(absl::string_view message) {
  using Wire = v1::EmbedStreamRequest;
  EmbedStreamMessage read;
  CodedInputStream input = Over(message);
  while (const uint32_t tag = input.ReadTag()) {  // of a oneof the last one counts
    const Kind kind = KindOf(WireFormatLite::GetTagFieldNumber(tag));
    if (tag == WireFormatLite::MakeTag(Wire::kGetStateFieldNumber, WireFormatLite::WIRETYPE_VARINT)) {
      read = {Kind::kGetState};
      uint64_t value = 0;
      if (!input.ReadVarint64(&value)) return Malformed();
      read.get_state = value != 0;
    } else if (kind != Kind::kNone && IsLengthDelimited(tag)) {
      read = {kind};
      if (!ReadBytes(message, &input, &read.body)) return Malformed();
    } else if (!WireFormatLite::SkipField(&input, tag)) {
      return Malformed();
    }
  }
  if (!input.ConsumedEntireMessage()) return Malformed();
  if (read.kind == Kind::kInput && !ReadInput(std::exchange(read.body, {}), &read)) return Malformed();
  return read;
}

absl::StatusOr<EmbedSettings> ReadEmbedStreamStart(const EmbedStreamMessage& message, const ModelRegistry& models) {
  if (message.kind != Kind::kStart) {
    return FieldError("start", "neither start nor sequence is set, the first message must be one of them");
  }
  google::protobuf::io::ArrayInputStream bytes(message.body.data(), static_cast<int>(message.body.size()));
  const absl::StatusOr<ItemSummary> summary = ReadBesideItems(&bytes, "inputs");
  if (!summary.ok()) return InsideField(summary.status(), "start");
  if (summary->num_items > 0) {
    return FieldError("start.inputs", absl::StrCat("start.inputs has ", summary->num_items,
                                                   " entries, must have none: inputs are messages of their own"));
  }
  absl::StatusOr<EmbedSettings> settings = ParseEmbedSettings(summary->beside, models);
  return settings.ok() ? std::move(settings) : InsideField(settings.status(), "start");
}

absl::StatusOr<EmbedStreamMessage> ReadEmbedStreamInput(absl::string_view message) {
  absl::StatusOr<EmbedStreamMessage> read = ReadEmbedStreamMessage(message);
  if (!read.ok() || read->kind == Kind::kInput) return read;
  if (read->kind == Kind::kStart) return FieldError("start", "start is set a second time, a stream has one");
  return FieldError("input", "input is not set, every message after a start must be an input");
}

}  // namespace favor
