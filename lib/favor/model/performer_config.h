#ifndef FAVOR_MODEL_PERFORMER_CONFIG_H_
#define FAVOR_MODEL_PERFORMER_CONFIG_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "favor/feature_map/feature_spec.h"
#include "favor/format/json.h"

namespace favor {

// What a PerformerLM or a Performer of performer-pytorch 1.1.4 was built with. config.json of its folder:
//
//   {"model_type": "performer-pytorch", "format_version": 1, "class": "PerformerLM", "kwargs": {"num_tokens": 256,
//   ...}}
//
// `kwargs` are the constructor's own arguments, with its defaults for those left out; kernel_fn is written by name:
// "relu", "gelu", "gelu_tanh" (nn.GELU(approximate="tanh")), "sigmoid", "softplus", "silu", "leaky_relu", each as nn's
// module without arguments, or "exp", "abs", "squared_relu". A "Performer" has no embeddings of its own: its folder
// holds token_emb.weight beside it, and its input is a set, without positions.
struct PerformerConfig {
  enum class Positions : uint8_t { kNone, kRotary, kAxial, kAbsolute };
  enum class NormKind : uint8_t { kLayer, kScale, kRezero };

  bool is_language_model = true;  // PerformerLM
  int64_t num_tokens = 0;
  int64_t max_seq_len = 0;  // 0: any
  int64_t dim = 0;
  int64_t depth = 0;
  int64_t num_heads = 0;
  int64_t head_dim = 0;
  std::vector<int64_t> local_heads;  // of each layer
  int64_t local_window = 0;
  bool causal = false;
  int64_t inner_dim = 0;  // of the feed-forward layers
  bool reversible = false;
  bool gated = false;  // GLU
  FeatureSpec features;
  NormKind norm = NormKind::kLayer;
  Positions positions = Positions::kRotary;
  std::vector<int64_t> axial_shape;
  bool shifts_tokens = false;
  bool has_input_bias = false;   // queries, keys and values
  bool has_output_bias = false;  // of attention
  std::optional<int64_t> num_features;

  bool UsesProjection() const { return features.kernel != Kernel::kNoProjection; }
  // Tokens of one sequence; 0: any number. Fixed sinusoids go on for ever.
  int64_t MaxTokens() const;
};

// InvalidArgumentError, naming the key, for what is missing, unknown, out of bounds or not supported.
absl::StatusOr<PerformerConfig> ParsePerformerConfig(const JsonValue& config);

// The same of the constructor's arguments alone. `model_class`: "PerformerLM" or "Performer".
absl::StatusOr<PerformerConfig> ParsePerformerArguments(const JsonValue& kwargs, const std::string& model_class);

}  // namespace favor

#endif  // FAVOR_MODEL_PERFORMER_CONFIG_H_
