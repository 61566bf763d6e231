#include "server/convert/embed_sequence_conversion.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "favor/model/pooling.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "google/protobuf/wire_format_lite.h"
#include "server/convert/embed_response_conversion.h"
#include "server/convert/field_error.h"
#include "server/convert/item_reader.h"

namespace favor {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::ArrayInputStream;
using google::protobuf::io::CodedInputStream;
using google::protobuf::io::CodedOutputStream;
using google::protobuf::io::StringOutputStream;
using Kind = EmbedStreamMessage::Kind;

constexpr char kSettings[] = "sequence.settings";

absl::Status Malformed(absl::string_view field) {
  return FieldError(field, absl::StrCat(field, " is malformed: Protobuf cannot parse it"));
}

CodedInputStream Over(absl::string_view bytes) {
  return CodedInputStream(reinterpret_cast<const uint8_t*>(bytes.data()), static_cast<int>(bytes.size()));
}

bool ReadBytes(absl::string_view all, CodedInputStream* input, absl::string_view* bytes) {
  uint32_t size = 0;
  if (!input->ReadVarint32(&size)) return false;
  const size_t begin = static_cast<size_t>(input->CurrentPosition());
  if (size > all.size() - begin || !input->Skip(static_cast<int>(size))) return false;
  *bytes = all.substr(begin, size);
  return true;
}

// The two fields of a Sequence, as bytes.
struct SequenceFields {
  absl::string_view settings;
  std::optional<absl::string_view> state;
};

bool ReadSequence(absl::string_view bytes, SequenceFields* fields) {
  using Wire = v1::EmbedStreamRequest::Sequence;
  CodedInputStream input = Over(bytes);
  while (const uint32_t tag = input.ReadTag()) {
    const int field = WireFormatLite::GetTagFieldNumber(tag);
    const bool is_known = field == Wire::kSettingsFieldNumber || field == Wire::kStateFieldNumber;
    if (!is_known || WireFormatLite::GetTagWireType(tag) != WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
      if (!WireFormatLite::SkipField(&input, tag)) return false;
      continue;
    }
    absl::string_view value;
    if (!ReadBytes(bytes, &input, &value)) return false;
    if (field == Wire::kSettingsFieldNumber) {
      fields->settings = value;
    } else {
      fields->state = value;
    }
  }
  return input.ConsumedEntireMessage();
}

// By hand, so that the payload is not copied.
bool ReadState(absl::string_view bytes, SequenceStart::State* state) {
  using Wire = v1::EncoderState;
  const auto varint = [](int field) { return WireFormatLite::MakeTag(field, WireFormatLite::WIRETYPE_VARINT); };
  const auto delimited = [](int field) {
    return WireFormatLite::MakeTag(field, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
  };
  EncoderStateHeader& header = state->header;
  header = {0, "", 0, 0};
  CodedInputStream input = Over(bytes);
  while (const uint32_t tag = input.ReadTag()) {
    bool good = true;
    if (tag == varint(Wire::kVersionFieldNumber)) {
      good = input.ReadVarint32(&header.version);
    } else if (tag == varint(Wire::kNumTokensFieldNumber)) {
      uint64_t value = 0;
      good = input.ReadVarint64(&value);
      header.num_tokens = static_cast<int64_t>(value);
    } else if (tag == delimited(Wire::kModelIdFieldNumber)) {
      absl::string_view model_id;
      good = ReadBytes(bytes, &input, &model_id);
      header.model_id = std::string(model_id.substr(0, 64));  // theirs have 32 characters
    } else if (tag == delimited(Wire::kPayloadFieldNumber)) {
      good = ReadBytes(bytes, &input, &state->payload);
    } else if (tag == WireFormatLite::MakeTag(Wire::kChecksumFieldNumber, WireFormatLite::WIRETYPE_FIXED64)) {
      good = input.ReadLittleEndian64(&header.checksum);
    } else {
      good = WireFormatLite::SkipField(&input, tag);
    }
    if (!good) return false;
  }
  return input.ConsumedEntireMessage();
}

// What has no meaning for a sequence whose every token has a vector of its own.
absl::Status CheckAlone(const v1::EmbedRequest& request) {
  const std::pair<const char*, bool> others[] = {{"pooling", request.pooling() != 0},
                                                 {"over_length", request.over_length() != 0},
                                                 {"window_overlap", request.has_window_overlap()},
                                                 {"prompt", request.has_prompt()},
                                                 {"prompt_name", !request.prompt_name().empty()},
                                                 {"attention", request.has_attention()}};
  for (const auto& [name, is_set] : others) {
    if (!is_set) continue;
    return FieldError(name, absl::StrCat(name, " is set, only model, normalize, output_type and dimensions may be"));
  }
  return absl::OkStatus();
}

absl::StatusOr<EmbedSettings> ReadSettings(absl::string_view bytes, const ModelRegistry& models) {
  ArrayInputStream stream(bytes.data(), static_cast<int>(bytes.size()));
  const absl::StatusOr<ItemSummary> summary = ReadBesideItems(&stream, "inputs");
  if (!summary.ok()) return summary.status();
  if (summary->num_items > 0) {
    return FieldError("inputs", absl::StrCat("inputs has ", summary->num_items,
                                             " entries, must have none: tokens are messages of their own"));
  }
  v1::EmbedRequest request;
  if (!request.ParseFromString(summary->beside)) return Malformed("settings");
  if (absl::Status status = CheckAlone(request); !status.ok()) return status;
  absl::StatusOr<NamedModel> model = models.Find(request.model());
  if (!model.ok()) return model.status();
  request.set_pooling(v1::POOLING_NONE);
  return ReadEmbedSettings(request, *std::move(model));
}

// Appends the tag and the length of a field of bytes, which are to follow.
void AppendHead(int field, size_t num_bytes, std::string* message) {
  StringOutputStream stream(message);
  CodedOutputStream out(&stream);
  out.WriteTag(WireFormatLite::MakeTag(field, WireFormatLite::WIRETYPE_LENGTH_DELIMITED));
  out.WriteVarint32(static_cast<uint32_t>(num_bytes));
}

}  // namespace

absl::StatusOr<SequenceStart> ReadSequenceStart(const EmbedStreamMessage& message, const ModelRegistry& models) {
  SequenceFields fields;
  if (!ReadSequence(message.body, &fields)) return Malformed("sequence");
  absl::StatusOr<EmbedSettings> settings = ReadSettings(fields.settings, models);
  if (!settings.ok()) return InsideField(settings.status(), kSettings);
  const NamedModel& model = settings->model;
  absl::StatusOr<EncoderStateDescription> description = model.model->encoder->DescribeState();
  if (!description.ok()) {
    const std::string field = absl::StrCat(kSettings, ".model");
    return FieldError(field, absl::StrCat(field, " is '", model.name, "', which takes no sequence piece by piece: ",
                                          description.status().message()));
  }
  SequenceStart start{*std::move(settings), *std::move(description), std::nullopt};
  if (!fields.state) return start;
  start.state.emplace();
  if (!ReadState(*fields.state, &*start.state)) return Malformed("sequence.state");
  const Model& its = *start.settings.model.model;
  absl::Status status = CheckEncoderState(start.state->header, start.state->payload, start.description, its.id,
                                          its.encoder->max_tokens());
  if (!status.ok()) return AboutSequenceState(status);
  return start;
}

absl::Status CheckSequenceMessage(const EmbedStreamMessage& message) {
  switch (message.kind) {
    case Kind::kTokens:
      return absl::OkStatus();
    case Kind::kGetState:
      if (message.get_state) return absl::OkStatus();
      return FieldError("get_state", "get_state is false, must be true");
    case Kind::kSequence:
      return FieldError("sequence", "sequence is set a second time, a stream is one");
    default:
      return FieldError("tokens", "neither tokens nor get_state is set, every message after a sequence must be one");
  }
}

absl::StatusOr<std::vector<int32_t>> ReadTokens(const EmbedStreamMessage& message) {
  v1::TokenIds ids;
  if (!ids.ParseFromArray(message.body.data(), static_cast<int>(message.body.size()))) return Malformed("tokens");
  return std::vector<int32_t>(ids.ids().begin(), ids.ids().end());
}

absl::Status AboutTokens(const absl::Status& status) {
  if (!absl::IsInvalidArgument(status)) return status;
  const bool has_path = absl::StartsWith(status.message(), "ids[");
  return FieldError("tokens.ids", absl::StrCat(has_path ? "tokens." : "tokens.ids: ", status.message()));
}

absl::Status AboutSequenceState(const absl::Status& status) {
  absl::string_view rest = status.message();
  if (!absl::ConsumePrefix(&rest, "state")) return status;
  const std::string text = absl::StrCat("sequence.state", rest);
  if (!absl::IsInvalidArgument(status)) return absl::Status(status.code(), text);
  // "state.payload has", or "state of layer 0, head 1", which is in the payload.
  const bool has_path = absl::StartsWith(rest, ".");
  return FieldError(absl::StrCat("sequence.state", has_path ? rest.substr(0, rest.find(' ')) : ".payload"), text);
}

SequenceVectors::SequenceVectors(const EmbedSettings* settings, int64_t num_tokens)
    : settings_(settings),
      num_tokens_(num_tokens),
      dimensions_(EmbedDimensions(*settings->model.model, settings->options)),
      scale_(settings->type == v1::EMBEDDING_TYPE_I8 ? num_tokens : 0) {}

absl::Status SequenceVectors::Allocate() {
  auto data = AlignedBuffer<std::byte>::Allocate(num_tokens_ * dimensions_ * SizeOf(settings_->type));
  if (data.ok()) data_ = *std::move(data);
  return data.status();
}

int64_t SequenceVectors::MaxBytes(const EmbedSettings& settings, int64_t num_tokens) {
  // Scales are once here and twice in the message.
  const int64_t scales = settings.type == v1::EMBEDDING_TYPE_I8 ? 3 * num_tokens * sizeof(float) : 0;
  return MaxEmbedResultBytes(settings, num_tokens, absl::OkStatus()) + scales;
}

void SequenceVectors::Write(float* vectors, int64_t begin, int64_t end) {
  const int64_t stride = settings_->model.model->encoder->dimensions();
  const int64_t bytes = dimensions_ * SizeOf(settings_->type);
  char* data = reinterpret_cast<char*>(data_.data());
  for (int64_t t = begin; t < end; ++t) {
    float* vector = vectors + t * stride;
    if (settings_->options.normalize) Normalize(vector, dimensions_);
    WriteVectors(settings_->type, absl::MakeConstSpan(vector, dimensions_), dimensions_, data + t * bytes,
                 scale_.empty() ? nullptr : &scale_[t]);
  }
}

std::string SequenceVectors::Header(uint64_t id) const {
  const size_t num_bytes = static_cast<size_t>(data_.size());
  v1::Embedding fields;
  fields.set_type(settings_->type);
  fields.add_shape(num_tokens_);
  fields.add_shape(dimensions_);
  fields.mutable_scale()->Add(scale_.begin(), scale_.end());
  std::string embedding = fields.SerializeAsString();
  AppendHead(v1::Embedding::kDataFieldNumber, num_bytes, &embedding);

  v1::EmbedResult counts;
  counts.set_num_tokens(num_tokens_);
  counts.set_num_tokens_used(num_tokens_);
  counts.set_num_windows(1);
  std::string result = counts.SerializeAsString();
  AppendHead(v1::EmbedResult::kEmbeddingFieldNumber, embedding.size() + num_bytes, &result);
  result += embedding;

  v1::EmbedStreamResponse response;
  response.set_id(id);
  std::string header = response.SerializeAsString();
  AppendHead(v1::EmbedStreamResponse::kResultFieldNumber, result.size() + num_bytes, &header);
  return header + result;
}

std::vector<std::string> EncoderStateMessage(const EncoderStateHeader& header, std::string payload) {
  v1::EncoderState fields;
  fields.set_version(header.version);
  fields.set_model_id(header.model_id);
  fields.set_num_tokens(header.num_tokens);
  std::string before = fields.SerializeAsString();
  AppendHead(v1::EncoderState::kPayloadFieldNumber, payload.size(), &before);
  v1::EncoderState last;
  last.set_checksum(header.checksum);
  const std::string after = last.SerializeAsString();
  std::string message;
  AppendHead(v1::EmbedStreamResponse::kStateFieldNumber, before.size() + payload.size() + after.size(), &message);
  std::vector<std::string> parts;
  parts.push_back(message + before);
  parts.push_back(std::move(payload));
  parts.push_back(after);
  return parts;
}

}  // namespace favor
