#include "client/attention_state.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/wire/decode_report.h"
#include "client/wire/field_reader.h"
#include "client/wire/packed_field.h"
#include "favor/format/file_io.h"
#include "favor/format/replace_file.h"
#include "favor/v1/attention.pb.h"

namespace favor::client {
namespace {

absl::Status NoState(absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("is no favor.v1.AttentionState: ", why));
}

}  // namespace

absl::Status AttentionState::Read(Data* data) {
  using Wire = v1::AttentionState;
  FieldReader reader(data->serialized);
  bool has_payload = false;
  while (const auto field = reader.Next()) {
    const int64_t number = static_cast<int64_t>(field->varint);
    switch (field->number) {
      case Wire::kVersionFieldNumber:
        data->version = static_cast<uint32_t>(number);
        break;
      case Wire::kSpecFieldNumber: {
        v1::AttentionSpec spec;
        if (!spec.ParseFromArray(field->bytes.data(), static_cast<int>(field->bytes.size()))) {
          return NoState("its spec cannot be read");
        }
        data->spec = DecodeAttentionSpec(spec);
        break;
      }
      case Wire::kProjectionIdFieldNumber:
        data->projection_id = std::string(field->bytes);
        break;
      case Wire::kBatchSizeFieldNumber:
        data->batch_size = number;
        break;
      case Wire::kNumHeadsFieldNumber:
        data->num_heads = number;
        break;
      case Wire::kHeadDimFieldNumber:
        data->head_dim = number;
        break;
      case Wire::kValueDimFieldNumber:
        data->value_dim = number;
        break;
      case Wire::kNumFeaturesFieldNumber:
        data->num_features = number;
        break;
      case Wire::kNumKeysFieldNumber:
        if (!AppendIntegers(*field, &data->num_keys)) return NoState("its num_keys cannot be read");
        break;
      case Wire::kEncodingFieldNumber:
        data->encoding = static_cast<StateEncoding>(number);
        break;
      case Wire::kPayloadFieldNumber:
        has_payload = !field->is_varint && !field->bytes.empty();
        break;
    }
  }
  if (reader.malformed()) return NoState("its bytes end early or make no fields");
  for (const auto& [name, size] : {std::pair("version", static_cast<int64_t>(data->version)),
                                   std::pair("batch_size", data->batch_size), std::pair("num_heads", data->num_heads),
                                   std::pair("head_dim", data->head_dim), std::pair("value_dim", data->value_dim)}) {
    if (size < 1) return NoState(absl::StrCat("its ", name, " is ", size));
  }
  if (data->num_keys.size() != static_cast<size_t>(data->batch_size)) {
    return NoState(
        absl::StrCat("it has num_keys of ", data->num_keys.size(), " sequences, batch_size is ", data->batch_size));
  }
  return has_payload ? absl::OkStatus() : NoState("it has no payload");
}

absl::StatusOr<AttentionState> AttentionState::Parse(std::string serialized) {
  auto data = std::make_shared<Data>();
  data->serialized = std::move(serialized);
  if (absl::Status status = Read(data.get()); !status.ok()) return status;
  return AttentionState(std::move(data));
}

absl::StatusOr<AttentionState> AttentionState::Load(const std::string& path) {
  const absl::StatusOr<MappedFile> file = MappedFile::Open(path);
  if (!file.ok()) return file.status();
  absl::StatusOr<AttentionState> state =
      Parse(std::string(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size()));
  if (!state.ok()) return absl::InvalidArgumentError(absl::StrCat(path, " ", state.status().message()));
  return state;
}

absl::Status AttentionState::Save(const std::string& path) const { return ReplaceFile(path, serialized()); }

}  // namespace favor::client
