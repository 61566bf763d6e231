#ifndef FAVOR_MODEL_ROTARY_CONFIG_H_
#define FAVOR_MODEL_ROTARY_CONFIG_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "favor/format/json.h"
#include "favor/kernels/dense.h"
#include "favor/model/transformer_sizes.h"

namespace favor {

// The sizes of encoders for long texts, which turn queries and keys by their places (Su et al. 2021) and gate what is
// between the products of their feed-forward nets (Shazeer 2020): ModernBERT (Warner et al. 2024), Nomic BERT (Nussbaum
// et al. 2024), GTE (Zhang et al. 2024), and those with the layers of the decoder Llama (Touvron et al. 2023): EuroBERT
// (Boizard et al. 2025), Qwen2, Qwen3, Mistral and Llama itself.
struct RotaryConfig {
  // The frequencies theta^(-2 j / head_dim) / shrink of planes j. In a text of n > trained_length tokens, unless that
  // is 0, theta is greater by ((n / trained_length - 1) stretch + 1)^(head_dim / (head_dim - 2)): dynamic NTK scaling.
  struct Angles {
    double theta = 10000;
    double shrink = 1;
    double stretch = 1;
    int64_t trained_length = 0;
  };

  // "modernbert", "nomic_bert", "gte", "new", which is what GTE's authors call it, "eurobert", "qwen2", "qwen3",
  // "mistral", "llama".
  std::string model_type;
  TransformerSizes sizes;  // ModernBERT's have windows
  // What config.json calls sizes.num_layers.
  const char* num_layers_key = "num_hidden_layers";
  int64_t num_token_types = 0;  // 0: none
  double epsilon = 0;           // of the norms
  kernels::Activation activation = kernels::Activation::kGelu;
  // Which products have a bias: of queries, keys and values; behind attention; the two gated ones; the last one.
  bool input_bias = false, output_bias = false, up_bias = false, down_bias = false;
  bool norm_bias = true;
  Angles angles;
  Angles local_angles;  // of layers within windows

  // Whether layers are Llama's, whose norms are root mean square norms; the embeddings have none.
  bool is_llama = false;
  bool norms_heads = false;  // Qwen3 norms queries and keys of each head before they are turned

  bool is_modernbert() const { return model_type == "modernbert"; }
  // Whether norms stand in front of the sublayers, and one behind the last layer; else behind the residuals.
  bool norms_first() const { return is_modernbert() || is_llama; }
};

// Reads a config.json of Hugging Face, Nomic's own in the style of GPT-2 and GTE's own included. InvalidArgumentError,
// naming the key, for what is missing, out of bounds or not supported: other scalings of angles than "linear",
// "dynamic" and GTE's "ntk", activations that are not of DenseLayer.
absl::StatusOr<RotaryConfig> ParseRotaryConfig(const JsonValue& config);

}  // namespace favor

#endif  // FAVOR_MODEL_ROTARY_CONFIG_H_
