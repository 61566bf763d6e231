#include "favor/model/performer_config.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "favor/format/json_fields.h"
#include "favor/projection/projection.h"

namespace favor {
namespace {

constexpr char kFile[] = "config.json";
constexpr int64_t kMostTokens = int64_t{1} << 32;
constexpr int64_t kMostUnits = 1 << 16;

// Arguments that have no part in what a trained model computes.
constexpr const char* kIgnored[] = {"feature_redraw_interval", "ff_chunks", "emb_dropout", "ff_dropout", "attn_dropout",
                                    "auto_check_redraw",       "tie_embed"};
constexpr const char* kRead[] = {"num_tokens",
                                 "max_seq_len",
                                 "dim",
                                 "depth",
                                 "heads",
                                 "dim_head",
                                 "local_attn_heads",
                                 "local_window_size",
                                 "causal",
                                 "ff_mult",
                                 "nb_features",
                                 "reversible",
                                 "ff_glu",
                                 "generalized_attention",
                                 "kernel_fn",
                                 "use_scalenorm",
                                 "use_rezero",
                                 "cross_attend",
                                 "no_projection",
                                 "rotary_position_emb",
                                 "axial_position_emb",
                                 "axial_position_shape",
                                 "qkv_bias",
                                 "attn_out_bias",
                                 "shift_tokens"};

void RefuseUnknown(const JsonFields& kwargs) {
  const JsonValue::Object* members = kwargs.object().object();
  if (members == nullptr) return;
  for (const JsonMember& member : *members) {
    const auto is_name = [&](const char* name) { return member.name == name; };
    if (std::any_of(std::begin(kRead), std::end(kRead), is_name)) continue;
    if (std::any_of(std::begin(kIgnored), std::end(kIgnored), is_name)) continue;
    kwargs.Fail(member.name, "is not an argument of performer-pytorch 1.1.4");
  }
}

Nonlinearity ParseNonlinearity(const JsonFields& kwargs) {
  const std::pair<const char*, Nonlinearity> known[] = {
      {"relu", Nonlinearity::kRelu},         {"squared_relu", Nonlinearity::kSquaredRelu},
      {"exp", Nonlinearity::kExp},           {"abs", Nonlinearity::kAbs},
      {"gelu", Nonlinearity::kGelu},         {"gelu_tanh", Nonlinearity::kGeluTanh},
      {"sigmoid", Nonlinearity::kSigmoid},   {"silu", Nonlinearity::kSilu},
      {"softplus", Nonlinearity::kSoftplus}, {"leaky_relu", Nonlinearity::kLeakyRelu}};
  const std::string name = kwargs.String("kernel_fn", "relu");
  std::vector<std::string> names;
  for (const auto& [known_name, nonlinearity] : known) {
    if (name == known_name) return nonlinearity;
    names.push_back(known_name);
  }
  kwargs.FailValue("kernel_fn", absl::StrCat("must be one of ", absl::StrJoin(names, ", ")));
  return Nonlinearity::kRelu;
}

FeatureSpec ParseFeatures(const JsonFields& kwargs) {
  FeatureSpec features;
  features.epsilon_parity = EpsilonParity();
  if (kwargs.Bool("no_projection", false)) {
    features.kernel = Kernel::kNoProjection;
    features.epsilon_parity->feature_epsilon = 0;
  } else if (kwargs.Bool("generalized_attention", false)) {
    features.kernel = Kernel::kGeneralized;
    features.nonlinearity = ParseNonlinearity(kwargs);
    features.epsilon_parity->feature_epsilon = 1e-3;
  }
  return features;
}

// One number for all layers, or a list of one or of as many as there are layers.
std::vector<int64_t> ParseLocalHeads(const JsonFields& kwargs, int64_t depth, int64_t num_heads) {
  const JsonValue* value = kwargs.Find("local_attn_heads");
  if (value == nullptr || value->array() == nullptr) {
    return std::vector<int64_t>(depth, kwargs.Integer("local_attn_heads", 0, 0, num_heads));
  }
  std::vector<int64_t> heads;
  for (const JsonValue& element : *value->array()) {
    if (element.integer() == nullptr || *element.integer() < 0 || *element.integer() > num_heads) {
      kwargs.FailValue("local_attn_heads", absl::StrCat("must hold numbers from 0 to heads, ", num_heads));
      return std::vector<int64_t>(depth, 0);
    }
    heads.push_back(*element.integer());
  }
  if (heads.size() == 1) heads.resize(depth, heads[0]);
  if (static_cast<int64_t>(heads.size()) != depth) {
    kwargs.FailValue("local_attn_heads", absl::StrCat("must have one element or depth, ", depth));
    heads.resize(depth, 0);
  }
  return heads;
}

std::vector<int64_t> ParseAxialShape(const JsonFields& kwargs, int64_t max_seq_len) {
  if (!kwargs.Has("axial_position_shape")) return {(max_seq_len + 63) / 64, 64};
  std::vector<int64_t> shape;
  for (const JsonValue& element : kwargs.Array("axial_position_shape")) {
    const int64_t* size = element.integer();
    if (size == nullptr || *size < 1 || *size > kMostUnits || shape.size() == 8) {
      kwargs.FailValue("axial_position_shape", absl::StrCat("must hold up to 8 numbers from 1 to ", kMostUnits));
      return {1};
    }
    shape.push_back(*size);
  }
  return shape;
}

void ParsePositions(const JsonFields& kwargs, PerformerConfig* config) {
  if (!config->is_language_model) {
    config->positions = PerformerConfig::Positions::kNone;
  } else if (kwargs.Bool("rotary_position_emb", true)) {
    config->positions = PerformerConfig::Positions::kRotary;
    for (const auto& [name, size] : {std::pair("dim", config->dim), std::pair("dim_head", config->head_dim)}) {
      if (size % 2 != 0) kwargs.FailValue(name, "must be even with rotary_position_emb");
    }
  } else if (kwargs.Bool("axial_position_emb", false)) {
    config->positions = PerformerConfig::Positions::kAxial;
    config->axial_shape = ParseAxialShape(kwargs, config->max_seq_len);
  } else {
    config->positions = PerformerConfig::Positions::kAbsolute;
  }
}

void ParseSizes(const JsonFields& kwargs, PerformerConfig* config) {
  config->dim = kwargs.RequiredInteger("dim", 1, kMostUnits);
  config->depth = kwargs.RequiredInteger("depth", 1, 1000);
  config->num_heads = kwargs.RequiredInteger("heads", 1, kMostUnits);
  if (config->is_language_model) {
    config->num_tokens = kwargs.RequiredInteger("num_tokens", 1, 1 << 24);
    config->max_seq_len = kwargs.RequiredInteger("max_seq_len", 1, kMostTokens);
    const bool is_null = kwargs.object().Find("dim_head") != nullptr && !kwargs.Has("dim_head");
    config->head_dim = is_null && config->num_heads > 0 ? config->dim / config->num_heads
                                                        : kwargs.Integer("dim_head", 64, 1, kMaxHeadDim);
  } else {
    config->head_dim = kwargs.RequiredInteger("dim_head", 1, kMaxHeadDim);
  }
  if (kwargs.ok() && (config->head_dim < 1 || config->head_dim > kMaxHeadDim)) {
    kwargs.Fail("dim", absl::StrCat("/ heads makes heads of ", config->head_dim, " dimensions, at most ", kMaxHeadDim));
  }
  config->inner_dim = config->dim * kwargs.Integer("ff_mult", 4, 1, 64);
  if (kwargs.ok() && config->dim % config->num_heads != 0) {
    kwargs.FailValue("dim", absl::StrCat("must be a multiple of heads, ", config->num_heads));
  }
}

}  // namespace

int64_t PerformerConfig::MaxTokens() const {
  if (positions == Positions::kNone || positions == Positions::kRotary) return 0;
  if (positions == Positions::kAbsolute) return max_seq_len;
  int64_t rows = 1;
  for (const int64_t size : axial_shape) rows = std::min(kMostTokens, rows * size);
  return std::min(max_seq_len, rows);
}

absl::StatusOr<PerformerConfig> ParsePerformerArguments(const JsonValue& json, const std::string& model_class) {
  absl::Status status;
  const JsonFields kwargs(json, kFile, &status, "kwargs");
  RefuseUnknown(kwargs);
  PerformerConfig config;
  config.is_language_model = model_class == "PerformerLM";
  ParseSizes(kwargs, &config);
  if (!status.ok()) return status;
  config.local_heads = ParseLocalHeads(kwargs, config.depth, config.num_heads);
  config.local_window = kwargs.Integer("local_window_size", 256, 1, kMostUnits);
  config.causal = kwargs.Bool("causal", false);
  config.reversible = kwargs.Bool("reversible", false);
  config.gated = kwargs.Bool("ff_glu", false);
  config.features = ParseFeatures(kwargs);
  if (kwargs.Bool("use_rezero", false)) config.norm = PerformerConfig::NormKind::kRezero;
  if (kwargs.Bool("use_scalenorm", false)) config.norm = PerformerConfig::NormKind::kScale;
  ParsePositions(kwargs, &config);
  config.shifts_tokens = kwargs.Bool("shift_tokens", false);
  config.has_input_bias = kwargs.Bool("qkv_bias", !config.is_language_model);
  config.has_output_bias = kwargs.Bool("attn_out_bias", !config.is_language_model);
  if (kwargs.Has("nb_features")) config.num_features = kwargs.RequiredInteger("nb_features", 1, kMaxNumFeatures);
  if (kwargs.Bool("cross_attend", false)) kwargs.FailValue("cross_attend", "must be false: it is not supported");
  if (!status.ok()) return status;
  return config;
}

absl::StatusOr<PerformerConfig> ParsePerformerConfig(const JsonValue& json) {
  absl::Status status;
  const JsonFields fields(json, kFile, &status);
  const int64_t version = fields.RequiredInteger("format_version");
  if (version != 1) fields.FailValue("format_version", "must be 1");
  const std::string model_class = fields.String("class", "PerformerLM");
  if (model_class != "PerformerLM" && model_class != "Performer") {
    fields.FailValue("class", "must be PerformerLM or Performer");
  }
  const JsonFields kwargs = fields.RequiredObject("kwargs");
  if (!status.ok()) return status;
  return ParsePerformerArguments(kwargs.object(), model_class);
}

}  // namespace favor
