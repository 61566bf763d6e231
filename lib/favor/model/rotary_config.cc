#include "favor/model/rotary_config.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "favor/format/json_fields.h"
#include "favor/model/activation_name.h"
#include "favor/projection/projection.h"

namespace favor {
namespace {

using kernels::Activation;
using Angles = RotaryConfig::Angles;

constexpr double kMostTheta = 1e15;
constexpr double kMostFactor = 1e6;  // by which angles are stretched

void Refuse(const JsonFields& fields, const char* key) { fields.FailValue(key, "which is not supported"); }

// What is not supported unless it has this value, or is not there.
void CheckFlag(const JsonFields& fields, const char* key, bool value) {
  if (fields.Bool(key, value) != value) fields.FailValue(key, value ? "must be true" : "must be false");
}
void CheckName(const JsonFields& fields, const char* key, const std::string& value) {
  if (fields.String(key, value) != value) fields.FailValue(key, absl::StrCat("must be ", value));
}

// What transformers 5 writes of the angles of one kind of layers. max_tokens: what the model was trained for, and where
// angles are stretched becomes what it takes; null: they cannot be.
Angles ReadParameters(const JsonFields& parameters, double theta, int64_t* max_tokens) {
  Angles angles;
  const std::string type = parameters.String("rope_type", parameters.String("type", "default"));  // the older key
  if (type == "linear") {
    angles.shrink = parameters.RequiredNumber("factor", 1, kMostFactor);
  } else if (type == "dynamic" && max_tokens != nullptr) {
    angles.stretch = parameters.RequiredNumber("factor", 1, kMostFactor);
    angles.trained_length = *max_tokens;
    *max_tokens = std::min<int64_t>(kMostRows, static_cast<int64_t>(angles.stretch * static_cast<double>(*max_tokens)));
  } else if (type != "default") {
    parameters.FailValue(parameters.Has("rope_type") ? "rope_type" : "type",
                         max_tokens == nullptr ? "must be default or linear" : "must be default, linear or dynamic");
  }
  if (parameters.Number("partial_rotary_factor", 1, 0, 1) != 1) {
    parameters.FailValue("partial_rotary_factor", "must be 1");
  }
  angles.theta = parameters.Number("rope_theta", theta, 1, kMostTheta);
  return angles;
}
void ReadAngles(const JsonFields& fields, double fallback, RotaryConfig* config) {
  if (fields.Has("rope_scaling")) Refuse(fields, "rope_scaling");
  if (fields.Number("partial_rotary_factor", 1) != 1) fields.FailValue("partial_rotary_factor", "must be 1");
  const double theta = fields.Number("rope_theta", fallback, 1, kMostTheta);  // of earlier versions
  config->angles = ReadParameters(fields.Object("rope_parameters"), theta, &config->sizes.max_tokens);
}

void ReadSizes(const JsonFields& fields, RotaryConfig* config) {
  config->sizes.vocabulary_size = fields.RequiredInteger("vocab_size", 1, kMostRows);
  config->sizes.hidden_size = fields.RequiredInteger("hidden_size", 1, kMostUnits);
  config->sizes.num_layers = fields.RequiredInteger(config->num_layers_key, 1, 1000);
  config->sizes.num_heads = fields.RequiredInteger("num_attention_heads", 1, kMostUnits);
  config->sizes.intermediate_size = fields.RequiredInteger("intermediate_size", 1, kMostUnits);
  config->sizes.max_tokens = fields.RequiredInteger("max_position_embeddings", 1, kMostRows);
}

void ReadLayerTypes(const JsonFields& fields, RotaryConfig* config) {
  if (fields.Has("layer_types")) {
    for (const std::string& type : fields.Strings("layer_types")) {
      if (type != "full_attention" && type != "sliding_attention") {
        fields.Fail("layer_types", absl::StrCat("holds ", type, ", must be full_attention or sliding_attention"));
      }
      config->sizes.is_local.push_back(type == "sliding_attention");
    }
    const auto count = static_cast<int64_t>(config->sizes.is_local.size());
    if (count != config->sizes.num_layers) {
      fields.Fail("layer_types",
                  absl::StrCat("has ", count, " entries, num_hidden_layers is ", config->sizes.num_layers));
    }
    return;
  }
  const int64_t every = fields.Integer("global_attn_every_n_layers", 3, 1, 1000);
  for (int64_t i = 0; i < config->sizes.num_layers; ++i) config->sizes.is_local.push_back(i % every != 0);
}

void ReadModernbert(const JsonFields& fields, RotaryConfig* config) {
  ReadSizes(fields, config);
  config->epsilon = fields.Number("norm_eps", 1e-5, 0, 1);
  config->activation = ReadActivation(fields, "hidden_activation");
  config->norm_bias = fields.Bool("norm_bias", false);
  config->input_bias = config->output_bias = fields.Bool("attention_bias", false);
  config->up_bias = config->down_bias = fields.Bool("mlp_bias", false);
  ReadLayerTypes(fields, config);
  config->sizes.window = fields.Integer("local_attention", 128, 1, kMostRows) / 2;
  // Earlier versions have a key for each kind of layers, and null there stands for the other one's.
  const double global = fields.Number("global_rope_theta", 160000, 1, kMostTheta);
  const JsonValue* local = fields.object().Find("local_rope_theta");
  const bool is_null = local != nullptr && local->is_null();
  const JsonFields angles = fields.Object("rope_parameters");
  const double theta = is_null ? global : fields.Number("local_rope_theta", 10000, 1, kMostTheta);
  config->angles = ReadParameters(angles.Object("full_attention"), global, nullptr);
  config->local_angles = ReadParameters(angles.Object("sliding_attention"), theta, nullptr);
  if (fields.Has("rope_scaling")) Refuse(fields, "rope_scaling");
}

// Nomic's own configuration has them.
bool HasNamesOfGpt2(const JsonFields& fields) { return fields.Has("n_embd") || fields.Has("n_layer"); }

void ReadNomicOwn(const JsonFields& fields, RotaryConfig* config) {
  config->sizes.vocabulary_size = fields.RequiredInteger("vocab_size", 1, kMostRows);
  config->sizes.hidden_size = fields.RequiredInteger("n_embd", 1, kMostUnits);
  config->num_layers_key = "n_layer";
  config->sizes.num_layers = fields.RequiredInteger(config->num_layers_key, 1, 1000);
  config->sizes.num_heads = fields.RequiredInteger("n_head", 1, kMostUnits);
  config->sizes.intermediate_size = fields.Integer("n_inner", 4 * config->sizes.hidden_size, 1, kMostUnits);
  config->sizes.max_tokens = fields.RequiredInteger("n_positions", 1, kMostRows);
  config->epsilon = fields.Number("layer_norm_epsilon", 1e-5, 0, 1);
  const std::string activation = fields.String("activation_function", "gelu");
  if (activation == "swiglu") {
    config->activation = Activation::kSilu;
  } else if (activation != "geglu") {
    fields.FailValue("activation_function", "must be swiglu or geglu");
  }
  config->input_bias = config->output_bias = fields.Bool("qkv_proj_bias", true);
  config->up_bias = fields.Bool("mlp_fc1_bias", true);
  config->down_bias = fields.Bool("mlp_fc2_bias", true);
  config->angles.theta = fields.Number("rotary_emb_base", 10000, 1, kMostTheta);
  if (fields.Number("rotary_emb_fraction", 0) != 1) fields.FailValue("rotary_emb_fraction", "must be 1");
  for (const char* key : {"prenorm", "parallel_block", "use_rms_norm", "causal", "rotary_emb_interleaved"}) {
    CheckFlag(fields, key, false);
  }
  CheckFlag(fields, "scale_attn_weights", true);
  if (fields.Has("rotary_emb_scale_base")) Refuse(fields, "rotary_emb_scale_base");
  if (fields.Has("rotary_scaling_factor")) {
    config->angles.stretch = fields.Number("rotary_scaling_factor", 1, 1, kMostFactor);
    config->angles.trained_length = fields.RequiredInteger("max_trained_positions", 1, kMostRows);
  }
  if (fields.Integer("num_experts", 0) != 0) fields.FailValue("num_experts", "must be 0");
}

void ReadNomic(const JsonFields& fields, RotaryConfig* config) {
  if (HasNamesOfGpt2(fields)) {
    ReadNomicOwn(fields, config);
  } else {
    ReadSizes(fields, config);
    config->epsilon = fields.Number("layer_norm_eps", 1e-12, 0, 1);
    config->activation = ReadActivation(fields, "hidden_act", Activation::kSilu);
    ReadAngles(fields, 1000, config);
    config->sizes.head_dim = fields.Integer("head_dim", 0, 1, kMaxHeadDim);
  }
  config->num_token_types = fields.Integer("type_vocab_size", 2, 1, kMostUnits);
}

// GTE's authors stretch angles as https://kexue.fm/archives/9706 has it: theta times the factor, and each frequency
// less by its 2 / head_dim-th power.
void ReadNtkScaling(const JsonFields& fields, const TransformerSizes& sizes, Angles* angles) {
  if (!fields.Has("rope_scaling")) return;
  const JsonFields scaling = fields.Object("rope_scaling");
  CheckName(scaling, "type", "ntk");
  if (scaling.Has("mixed_b")) Refuse(scaling, "mixed_b");
  const double factor = scaling.RequiredNumber("factor", 1, kMostFactor);
  if (!fields.ok()) return;
  angles->theta *= factor;
  angles->shrink = std::pow(factor, 2.0 * static_cast<double>(sizes.num_heads) / sizes.hidden_size);
}

void ReadGte(const JsonFields& fields, RotaryConfig* config) {
  ReadSizes(fields, config);
  config->epsilon = fields.Number("layer_norm_eps", 1e-12, 0, 1);
  config->activation = ReadActivation(fields, "hidden_act");
  config->input_bias = config->output_bias = config->down_bias = true;
  config->num_token_types = fields.Integer("type_vocab_size", 1, 0, kMostUnits);
  if (config->model_type == "gte") {
    ReadAngles(fields, 160000, config);
    return;
  }
  config->angles.theta = fields.Number("rope_theta", 10000, 1, kMostTheta);
  ReadNtkScaling(fields, config->sizes, &config->angles);
  CheckName(fields, "position_embedding_type", "rope");
  CheckName(fields, "layer_norm_type", "layer_norm");
  CheckFlag(fields, "pack_qkv", true);
  CheckFlag(fields, "logn_attention_scale", false);
}

void RefuseWindows(const JsonFields& fields, const RotaryConfig& config) {
  CheckFlag(fields, "use_sliding_window", false);
  for (const std::string& type : fields.Strings("layer_types")) {
    if (type != "full_attention") {
      fields.Fail("layer_types", absl::StrCat("holds ", type, ", must be full_attention in every layer"));
    }
  }
  // Mistral's windows have no switch, and are there where nothing is said of them.
  const JsonValue* window = fields.object().Find("sliding_window");
  if (config.model_type == "mistral" && (window == nullptr || !window->is_null())) {
    fields.Fail("sliding_window", "must be null: windows of such models are not supported");
  }
}

void ReadLlama(const JsonFields& fields, RotaryConfig* config) {
  ReadSizes(fields, config);
  const std::string& type = config->model_type;
  const bool is_eurobert = type == "eurobert", is_qwen2 = type == "qwen2";
  config->is_llama = true;
  config->norms_heads = type == "qwen3";
  config->sizes.causal = !is_eurobert && fields.Bool("is_causal", true);
  config->sizes.num_key_heads = fields.Integer("num_key_value_heads", 0, 1, kMostUnits);
  config->sizes.head_dim = fields.Integer("head_dim", 0, 1, kMaxHeadDim);
  config->epsilon = fields.Number("rms_norm_eps", is_eurobert ? 1e-5 : 1e-6, 0, 1);
  config->activation = ReadActivation(fields, "hidden_act", Activation::kSilu);
  config->output_bias = !is_qwen2 && fields.Bool("attention_bias", false);
  config->input_bias = is_qwen2 || config->output_bias;
  config->up_bias = config->down_bias = fields.Bool("mlp_bias", false);
  ReadAngles(fields, 10000, config);
  RefuseWindows(fields, *config);
}

void ReadHeads(const JsonFields& fields, RotaryConfig* config) {
  const bool has_names_of_gpt2 = HasNamesOfGpt2(fields);
  const char* key = has_names_of_gpt2 ? "n_embd" : "hidden_size";
  SetHeads(fields, key, has_names_of_gpt2 ? "n_head" : "num_attention_heads", &config->sizes);
  const int64_t head_dim = config->sizes.head_dim;
  if (head_dim % 2 != 0) {
    fields.FailValue(key, absl::StrCat("makes heads of ", head_dim, " dimensions, which must be even"));
  } else if (head_dim == 2 && config->angles.trained_length > 0) {
    fields.FailValue(key, "makes heads of 2 dimensions, whose angles cannot be stretched");
  }
}

}  // namespace

absl::StatusOr<RotaryConfig> ParseRotaryConfig(const JsonValue& json) {
  absl::Status status;
  const JsonFields fields(json, "config.json", &status);
  RotaryConfig config;
  config.model_type = fields.RequiredString("model_type");
  if (config.is_modernbert()) {
    ReadModernbert(fields, &config);
  } else if (config.model_type == "nomic_bert") {
    ReadNomic(fields, &config);
  } else if (config.model_type == "gte" || config.model_type == "new") {
    ReadGte(fields, &config);
  } else {
    ReadLlama(fields, &config);
  }
  ReadHeads(fields, &config);
  if (!status.ok()) return status;
  return config;
}

}  // namespace favor
