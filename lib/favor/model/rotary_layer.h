#ifndef FAVOR_MODEL_ROTARY_LAYER_H_
#define FAVOR_MODEL_ROTARY_LAYER_H_

#include <cstdint>
#include <string>

#include "favor/model/dense_layer.h"
#include "favor/model/norm.h"
#include "favor/model/rotary_config.h"
#include "favor/model/weights.h"

namespace favor {

// What a library calls the tensors of such an encoder, those of a layer below layers + its number.
struct RotaryNames {
  const char* words;
  const char* token_types;
  const char* embedding_norm;  // null: none
  const char* last_norm;
  const char* layers;
  const char* queries;  // of queries, keys and values in one, where keys is null
  const char* keys;
  const char* values;
  const char* attention_output;
  const char* attention_norm;
  const char* gate;
  const char* up;  // null: `gate` holds both, one below the other
  bool gate_first;
  const char* down;
  const char* feed_forward_norm;
};

// Those of the file at hand; `prefix` stands before each of them.
const RotaryNames& NamesOf(const RotaryConfig& config, Weights* weights, std::string* prefix);

// A norm of token vectors; errors go to the weights' status.
Norm ReadNorm(const RotaryConfig& config, const std::string& name, Weights* weights);

// The trained parts of one layer.
struct RotaryLayer {
  Norm attention_norm;
  DenseLayer queries_keys_values;  // one below the other
  Norm query_norm, key_norm;       // of each head's, or none
  DenseLayer attention_output;
  Norm feed_forward_norm;
  DenseLayer gate, up, down;

  int64_t num_bytes() const;

  // Layer `index`; errors go to the weights' status.
  static RotaryLayer Read(const RotaryConfig& config, const RotaryNames& names, const std::string& prefix,
                          int64_t index, Weights* weights);
};

}  // namespace favor

#endif  // FAVOR_MODEL_ROTARY_LAYER_H_
