#include "favor/model/bert_config.h"

#include "absl/strings/str_cat.h"
#include "favor/format/json_fields.h"
#include "favor/projection/projection.h"

namespace favor {
namespace {

constexpr int64_t kMostRows = int64_t{1} << 24;  // of tables; 2^24 ids
constexpr int64_t kMostUnits = 1 << 16;          // of a layer

kernels::Activation ParseActivation(const JsonFields& fields) {
  const std::string name = fields.String("hidden_act", "gelu");
  if (name == "gelu" || name == "gelu_python") return kernels::Activation::kGelu;
  if (name == "gelu_new" || name == "gelu_pytorch_tanh" || name == "gelu_fast") return kernels::Activation::kGeluTanh;
  if (name == "relu") return kernels::Activation::kRelu;
  fields.FailValue("hidden_act", "must be gelu, gelu_python, gelu_new, gelu_pytorch_tanh, gelu_fast or relu");
  return kernels::Activation::kNone;
}

}  // namespace

absl::StatusOr<BertConfig> ParseBertConfig(const JsonValue& json) {
  absl::Status status;
  const JsonFields fields(json, "config.json", &status);
  BertConfig config;
  config.model_type = fields.RequiredString("model_type");
  config.vocabulary_size = fields.RequiredInteger("vocab_size", 1, kMostRows);
  config.hidden_size = fields.RequiredInteger("hidden_size", 1, kMostUnits);
  config.num_layers = fields.RequiredInteger("num_hidden_layers", 1, 1000);
  config.num_heads = fields.RequiredInteger("num_attention_heads", 1, kMostUnits);
  config.intermediate_size = fields.RequiredInteger("intermediate_size", 1, kMostUnits);
  config.num_positions = fields.RequiredInteger("max_position_embeddings", 1, kMostRows);
  config.num_token_types = fields.Integer("type_vocab_size", 2, 1, kMostUnits);
  config.epsilon = fields.Number("layer_norm_eps", 1e-12, 0, 1);
  config.activation = ParseActivation(fields);
  if (config.model_type != "bert") {
    config.padding_id = fields.Integer("pad_token_id", 1, 0, kMostRows);
    config.first_position = config.padding_id + 1;
    if (config.first_position >= config.num_positions) {
      fields.FailValue("pad_token_id", "leaves no positions: they start behind it");
    }
  }
  if (fields.String("position_embedding_type", "absolute") != "absolute") {
    fields.FailValue("position_embedding_type", "must be absolute");
  }
  if (fields.Bool("is_decoder", false)) fields.FailValue("is_decoder", "must be false: decoders are not supported");
  if (fields.Bool("add_cross_attention", false)) fields.FailValue("add_cross_attention", "must be false");
  if (config.num_heads > 0 && config.hidden_size % config.num_heads != 0) {
    fields.FailValue("hidden_size", absl::StrCat("must be a multiple of num_attention_heads, ", config.num_heads));
  } else if (config.num_heads > 0 && config.hidden_size / config.num_heads > kMaxHeadDim) {
    fields.FailValue("hidden_size", absl::StrCat("makes heads of more than ", kMaxHeadDim, " dimensions"));
  }
  if (!status.ok()) return status;
  return config;
}

}  // namespace favor
