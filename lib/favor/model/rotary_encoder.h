#ifndef FAVOR_MODEL_ROTARY_ENCODER_H_
#define FAVOR_MODEL_ROTARY_ENCODER_H_

#include <memory>

#include "absl/status/statusor.h"
#include "favor/model/encoder.h"
#include "favor/model/rotary_config.h"
#include "favor/model/weights.h"

namespace favor {

// An encoder for long texts (RotaryConfig):
//
//   x = norm(words[id] + types[0])
//   each layer: x = norm(x + W_o attention(x)), then x = norm(x + W_2 (f(W_g x) * (W_1 x)))
//
// or, in ModernBERT and those with Llama's layers, x + W_o attention(norm(x)) and so on, with a norm at the end; in the
// latter without that of the embeddings, all of them root mean square norms, and with heads that share keys and values.
// Attention turns plane (j, j + head_dim / 2) of queries and keys at position t by t times the frequency of the plane.
// It is causal in Qwen2, Qwen3, Mistral and Llama, unless is_causal of config.json is false.
//
// Attention is exact; FAVOR+ on request approximates it, but not ModernBERT's within windows, whose cost is linear as
// it is. Tensors have the names of Hugging Face's NomicBertModel, GteModel, ModernBertModel, EuroBertModel, Qwen3Model
// and so on, or those of the models' authors, with or without the prefix of the model around the encoder.
absl::StatusOr<std::shared_ptr<const Encoder>> LoadRotaryEncoder(const RotaryConfig& config, Weights* weights);

}  // namespace favor

#endif  // FAVOR_MODEL_ROTARY_ENCODER_H_
