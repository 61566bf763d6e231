#include "favor/model/bert_config.h"

#include "absl/strings/str_cat.h"
#include "favor/format/json_fields.h"
#include "favor/model/activation_name.h"
#include "favor/model/mpnet_bias.h"

namespace favor {
namespace {

using kernels::Activation;

// What an architecture calls its sizes.
struct Keys {
  const char* hidden_size;
  const char* num_layers;
  const char* num_heads;
  const char* intermediate_size;
  const char* activation;
};

constexpr Keys kBertKeys = {"hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
                            "hidden_act"};
constexpr Keys kDistilbertKeys = {"dim", "n_layers", "n_heads", "hidden_dim", "activation"};

// Of RoBERTa and what has its layers. MPNet's is 1 whatever config.json says.
void ParsePaddingPositions(const JsonFields& fields, BertConfig* config) {
  config->padding_id = config->is_mpnet() ? 1 : fields.Integer("pad_token_id", 1, 0, kMostRows);
  config->first_position = config->padding_id + 1;
  if (config->first_position >= config->num_positions) {
    const char* key = config->is_mpnet() ? "max_position_embeddings" : "pad_token_id";
    fields.FailValue(key, "leaves no positions: they start behind that of the padding");
  }
}

void ParseGroups(const JsonFields& fields, BertConfig* config) {
  config->num_groups = fields.Integer("num_hidden_groups", 1, 1, 1000);
  config->layers_per_group = fields.Integer("inner_group_num", 1, 1, 100);
  if (config->num_groups > config->sizes.num_layers) {
    fields.FailValue("num_hidden_groups", absl::StrCat("more than num_hidden_layers, ", config->sizes.num_layers));
  }
  config->sizes.num_layers *= config->layers_per_group;
}

}  // namespace

absl::StatusOr<BertConfig> ParseBertConfig(const JsonValue& json) {
  absl::Status status;
  const JsonFields fields(json, "config.json", &status);
  BertConfig config;
  config.model_type = fields.RequiredString("model_type");
  const Keys& keys = config.is_distilbert() ? kDistilbertKeys : kBertKeys;
  TransformerSizes& sizes = config.sizes;
  sizes.vocabulary_size = fields.RequiredInteger("vocab_size", 1, kMostRows);
  sizes.hidden_size = fields.RequiredInteger(keys.hidden_size, 1, kMostUnits);
  config.embedding_size = sizes.hidden_size;
  if (config.model_type == "electra" || config.is_albert())
    config.embedding_size = fields.Integer("embedding_size", 128, 1, kMostUnits);
  sizes.num_layers = fields.RequiredInteger(keys.num_layers, 1, 1000);
  sizes.num_heads = fields.RequiredInteger(keys.num_heads, 1, kMostUnits);
  sizes.intermediate_size = fields.RequiredInteger(keys.intermediate_size, 1, kMostUnits);
  config.num_positions = fields.RequiredInteger("max_position_embeddings", 1, kMostRows);
  if (config.is_albert()) ParseGroups(fields, &config);
  const Activation fallback = config.is_albert() ? Activation::kGeluTanh : Activation::kGelu;
  config.activation = ReadActivation(fields, keys.activation, fallback);
  config.epsilon = 1e-12;
  if (!config.is_distilbert()) {
    if (!config.is_mpnet()) config.num_token_types = fields.Integer("type_vocab_size", 2, 1, kMostUnits);
    config.epsilon = fields.Number("layer_norm_eps", config.epsilon, 0, 1);
    const bool counts_from_0 = config.model_type == "bert" || config.model_type == "electra" || config.is_albert();
    if (!counts_from_0) ParsePaddingPositions(fields, &config);
  }
  if (config.is_mpnet() && fields.Integer("relative_attention_num_buckets", kMpnetBuckets) != kMpnetBuckets) {
    fields.FailValue("relative_attention_num_buckets", absl::StrCat("must be ", kMpnetBuckets));
  }
  if (fields.String("position_embedding_type", "absolute") != "absolute") {
    fields.FailValue("position_embedding_type", "must be absolute");
  }
  if (fields.Bool("is_decoder", false)) fields.FailValue("is_decoder", "must be false: decoders are not supported");
  if (fields.Bool("add_cross_attention", false)) fields.FailValue("add_cross_attention", "must be false");
  sizes.max_tokens = config.num_positions - config.first_position;
  SetHeads(fields, keys.hidden_size, keys.num_heads, &sizes);
  if (!status.ok()) return status;
  return config;
}

}  // namespace favor
