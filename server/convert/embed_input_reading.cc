#include "server/convert/embed_input_reading.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "favor/v1/embedding.pb.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"
#include "server/convert/field_error.h"

namespace favor {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

// An EmbedInput by hand: Protobuf would refuse the whole message for a text that is not UTF-8, and copy it.
struct WireInput {
  bool has_text = false;
  bool has_ids = false;
  absl::string_view text;
  v1::TokenIds ids;
};

bool Merge(absl::string_view wire, v1::TokenIds* ids) {
  CodedInputStream input(reinterpret_cast<const uint8_t*>(wire.data()), static_cast<int>(wire.size()));
  return ids->MergeFromCodedStream(&input) && input.ConsumedEntireMessage();
}

bool ParseInput(absl::string_view wire, WireInput* parsed) {
  CodedInputStream input(reinterpret_cast<const uint8_t*>(wire.data()), static_cast<int>(wire.size()));
  while (const uint32_t tag = input.ReadTag()) {
    const int field = WireFormatLite::GetTagFieldNumber(tag);
    const bool is_known = field == v1::EmbedInput::kTextFieldNumber || field == v1::EmbedInput::kIdsFieldNumber;
    if (!is_known || WireFormatLite::GetTagWireType(tag) != WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
      if (!WireFormatLite::SkipField(&input, tag)) return false;
      continue;
    }
    uint32_t size = 0;
    if (!input.ReadVarint32(&size)) return false;
    const size_t begin = static_cast<size_t>(input.CurrentPosition());
    if (size > wire.size() - begin || !input.Skip(static_cast<int>(size))) return false;
    const absl::string_view bytes = wire.substr(begin, size);
    parsed->has_text = field == v1::EmbedInput::kTextFieldNumber;  // of a oneof the last one counts,
    if (parsed->has_text) {
      parsed->text = bytes;
      parsed->ids.Clear();
    } else if (!Merge(bytes, &parsed->ids)) {  // and messages that follow each other are one
      return false;
    }
    parsed->has_ids = !parsed->has_text;
  }
  return input.ConsumedEntireMessage();
}

}  // namespace

EmbedInputReading::EmbedInputReading(std::string wire, std::string field, const EmbedSettings& settings)
    : wire_(std::move(wire)), field_(std::move(field)), settings_(settings) {}

absl::Status EmbedInputReading::About(const char* part, const absl::Status& status) const {
  if (!absl::IsInvalidArgument(status)) return status;
  return FieldError(absl::StrCat(field_, part), absl::StrCat(field_, ": ", status.message()));
}

absl::StatusOr<bool> EmbedInputReading::Begin() {
  WireInput parsed;
  if (!ParseInput(wire_, &parsed)) {
    return FieldError(field_, absl::StrCat(field_, " is malformed: Protobuf cannot parse it"));
  }
  if (!parsed.has_text && !parsed.has_ids) return FieldError(field_, absl::StrCat(field_, " has neither text nor ids"));
  const Model& model = *settings_.model.model;
  if (parsed.has_text) {
    preparation_ = std::make_unique<TextPreparation>(model, settings_.prompt, parsed.text, settings_.windows);
    return false;
  }
  const auto ids = absl::MakeConstSpan(parsed.ids.ids().data(), parsed.ids.ids().size());
  absl::StatusOr<EmbedInput> input = PrepareIds(model, ids, settings_.windows);
  if (!input.ok()) return About(".ids", input.status());
  input_ = *std::move(input);
  return true;
}

absl::StatusOr<bool> EmbedInputReading::Step() {
  if (preparation_ == nullptr) {
    if (const absl::StatusOr<bool> begun = Begin(); !begun.ok() || *begun) return begun;
  }
  const absl::StatusOr<bool> done = preparation_->Step();
  return done.ok() ? done : About(".text", done.status());
}

}  // namespace favor
