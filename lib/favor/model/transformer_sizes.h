#ifndef FAVOR_MODEL_TRANSFORMER_SIZES_H_
#define FAVOR_MODEL_TRANSFORMER_SIZES_H_

#include <cstdint>
#include <vector>

#include "favor/format/json_fields.h"

namespace favor {

// What every encoder of the frame has (transformer_encoder.h).
struct TransformerSizes {
  int64_t vocabulary_size = 0;
  int64_t hidden_size = 0;
  int64_t num_layers = 0;
  int64_t num_heads = 0;
  int64_t num_key_heads = 0;  // num_heads / num_key_heads neighbours share their keys and values
  int64_t head_dim = 0;
  int64_t intermediate_size = 0;
  int64_t max_tokens = 0;
  bool causal = false;  // a token sees itself and those before it
  // Layers whose tokens see others at most `window` away, exactly, whatever attention is asked for; empty: none.
  std::vector<bool> is_local;
  int64_t window = 0;

  int64_t width() const { return num_heads * head_dim; }                     // of all heads
  int64_t num_input_heads() const { return num_heads + 2 * num_key_heads; }  // of queries, keys and values
  bool IsLocal(int64_t layer) const { return !is_local.empty() && is_local[layer]; }
};

// Largest of the sizes that a config.json may claim.
constexpr int64_t kMostRows = int64_t{1} << 24;  // of tables, and tokens; 2^24 ids
constexpr int64_t kMostUnits = 1 << 16;          // of a layer

// Where head_dim is 0, makes it what the heads share hidden_size by; where num_key_heads is, as many as there are
// heads. Fails, naming the keys of config.json, for what heads cannot share, and for heads that are too wide.
void SetHeads(const JsonFields& fields, const char* hidden_size_key, const char* num_heads_key,
              TransformerSizes* sizes);

}  // namespace favor

#endif  // FAVOR_MODEL_TRANSFORMER_SIZES_H_
