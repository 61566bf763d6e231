#include "client/wire/decode_models.h"

#include <string>

#include "absl/status/status.h"
#include "client/wire/field_reader.h"
#include "client/wire/packed_field.h"
#include "favor/v1/model.pb.h"

namespace favor::client {
namespace {

// Of an entry of any map.
constexpr int kKeyField = 1;
constexpr int kValueField = 2;

void DecodePrompt(absl::string_view bytes, ModelInfo* model) {
  absl::string_view key, value;
  FieldReader reader(bytes);
  while (const auto field = reader.Next()) {
    if (field->number == kKeyField) key = field->bytes;
    if (field->number == kValueField) value = field->bytes;
  }
  model->prompts[std::string(key)] = std::string(value);
}

// Whether it could be read.
bool DecodeField(const FieldReader::Field& field, ModelInfo* model) {
  using Wire = v1::ModelInfo;
  const int64_t number = static_cast<int64_t>(field.varint);
  switch (field.number) {
    case Wire::kNameFieldNumber:
      model->name = std::string(field.bytes);
      break;
    case Wire::kPathFieldNumber:
      model->path = std::string(field.bytes);
      break;
    case Wire::kModelIdFieldNumber:
      model->model_id = std::string(field.bytes);
      break;
    case Wire::kArchitectureFieldNumber:
      model->architecture = std::string(field.bytes);
      break;
    case Wire::kDimensionsFieldNumber:
      model->dimensions = number;
      break;
    case Wire::kMaxTokensFieldNumber:
      model->max_tokens = number;
      break;
    case Wire::kVocabularySizeFieldNumber:
      model->vocabulary_size = number;
      break;
    case Wire::kHasTokenizerFieldNumber:
      model->has_tokenizer = number != 0;
      break;
    case Wire::kPoolingFieldNumber:
      model->pooling = static_cast<Pooling>(number);
      break;
    case Wire::kPoolingsFieldNumber:
      return AppendIntegers(field, &model->poolings);
    case Wire::kNormalizesFieldNumber:
      model->normalizes = number != 0;
      break;
    case Wire::kPromptsFieldNumber:
      DecodePrompt(field.bytes, model);
      break;
    case Wire::kDefaultPromptFieldNumber:
      model->default_prompt = std::string(field.bytes);
      break;
    case Wire::kNumParametersFieldNumber:
      model->num_parameters = number;
      break;
    case Wire::kMemoryBytesFieldNumber:
      model->memory_bytes = number;
      break;
  }
  return true;
}

// Appends the models that stand in field `field_number` of `response`.
absl::Status DecodeModels(absl::string_view response, int field_number, std::vector<ModelInfo>* models) {
  const absl::Status malformed = absl::InternalError("the server's answer holds no favor.v1.ModelInfo");
  FieldReader reader(response);
  while (const auto field = reader.Next()) {
    if (field->number != field_number) continue;
    FieldReader model_reader(field->bytes);
    ModelInfo& model = models->emplace_back();
    while (const auto model_field = model_reader.Next()) {
      if (!DecodeField(*model_field, &model)) return malformed;
    }
    if (model_reader.malformed()) return malformed;
    if (model.poolings.empty()) model.poolings.push_back(model.pooling);  // servers up to 0.1 name the one alone
  }
  return reader.malformed() ? malformed : absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<ModelInfo>> DecodeListModelsResponse(absl::string_view response) {
  std::vector<ModelInfo> models;
  const absl::Status status = DecodeModels(response, v1::ListModelsResponse::kModelsFieldNumber, &models);
  if (!status.ok()) return status;
  return models;
}

absl::StatusOr<ModelInfo> DecodeLoadModelResponse(absl::string_view response) {
  std::vector<ModelInfo> models;
  const absl::Status status = DecodeModels(response, v1::LoadModelResponse::kModelFieldNumber, &models);
  if (!status.ok()) return status;
  if (models.size() != 1) return absl::InternalError("the server's answer holds no favor.v1.ModelInfo");
  return models[0];
}

}  // namespace favor::client
