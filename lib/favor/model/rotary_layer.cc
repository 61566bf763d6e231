#include "favor/model/rotary_layer.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace favor {
namespace {

constexpr RotaryNames kModernbert = {"embeddings.tok_embeddings.weight",
                                     nullptr,
                                     "embeddings.norm",
                                     "final_norm",
                                     "layers.",
                                     "attn.Wqkv",
                                     nullptr,
                                     nullptr,
                                     "attn.Wo",
                                     "attn_norm",
                                     "mlp.Wi",
                                     nullptr,
                                     /*gate_first=*/true,
                                     "mlp.Wo",
                                     "mlp_norm"};

// Of Nomic BERT and GTE in transformers.
constexpr RotaryNames kTransformers = {"embeddings.word_embeddings.weight",
                                       "embeddings.token_type_embeddings.weight",
                                       "embeddings.LayerNorm",
                                       nullptr,
                                       "layers.",
                                       "self_attn.q_proj",
                                       "self_attn.k_proj",
                                       "self_attn.v_proj",
                                       "self_attn.o_proj",
                                       "post_attention_layernorm",
                                       "mlp.gate_proj",
                                       "mlp.up_proj",
                                       /*gate_first=*/true,
                                       "mlp.down_proj",
                                       "post_mlp_layernorm"};

constexpr RotaryNames kNomicOwn = {"embeddings.word_embeddings.weight",
                                   "embeddings.token_type_embeddings.weight",
                                   "emb_ln",
                                   nullptr,
                                   "encoder.layers.",
                                   "attn.Wqkv",
                                   nullptr,
                                   nullptr,
                                   "attn.out_proj",
                                   "norm1",
                                   "mlp.fc12",
                                   "mlp.fc11",
                                   /*gate_first=*/true,
                                   "mlp.fc2",
                                   "norm2"};

constexpr RotaryNames kGteOwn = {"embeddings.word_embeddings.weight",
                                 "embeddings.token_type_embeddings.weight",
                                 "embeddings.LayerNorm",
                                 nullptr,
                                 "encoder.layer.",
                                 "attention.qkv_proj",
                                 nullptr,
                                 nullptr,
                                 "attention.o_proj",
                                 "attn_ln",
                                 "mlp.up_gate_proj",
                                 nullptr,
                                 /*gate_first=*/false,
                                 "mlp.down_proj",
                                 "mlp_ln"};

constexpr RotaryNames kLlama = {"embed_tokens.weight",
                                nullptr,
                                nullptr,
                                "norm",
                                "layers.",
                                "self_attn.q_proj",
                                "self_attn.k_proj",
                                "self_attn.v_proj",
                                "self_attn.o_proj",
                                "input_layernorm",
                                "mlp.gate_proj",
                                "mlp.up_proj",
                                /*gate_first=*/true,
                                "mlp.down_proj",
                                "post_attention_layernorm"};

}  // namespace

const RotaryNames& NamesOf(const RotaryConfig& config, Weights* weights, std::string* prefix) {
  if (config.is_modernbert()) {
    *prefix = weights->PrefixOf(kModernbert.words, {"model.", "modernbert.", "0.auto_model."});
    return kModernbert;
  }
  if (config.is_llama) {
    *prefix = weights->PrefixOf(kLlama.words, {"model.", "0.auto_model."});
    return kLlama;
  }
  *prefix = weights->PrefixOf(kTransformers.words, {"nomic_bert.", "gte.", "new.", "bert.", "model.", "0.auto_model."});
  for (const RotaryNames* own : {&kNomicOwn, &kGteOwn}) {
    if (weights->HasPrefix(*prefix + own->layers)) return *own;
  }
  return kTransformers;
}

Norm ReadNorm(const RotaryConfig& config, const std::string& name, Weights* weights) {
  const int64_t hidden = config.sizes.hidden_size;
  if (config.is_llama) return Norm::ReadRmsNorm(name, hidden, config.epsilon, weights);
  return Norm::ReadLayerNorm(name, hidden, config.epsilon, weights, config.norm_bias);
}

RotaryLayer RotaryLayer::Read(const RotaryConfig& config, const RotaryNames& names, const std::string& prefix,
                              int64_t index, Weights* weights) {
  const std::string layer_prefix = absl::StrCat(prefix, names.layers, index, ".");
  const auto name = [&](const char* of) { return layer_prefix + of; };
  const int64_t hidden = config.sizes.hidden_size, width = config.sizes.width();
  const int64_t key_width = config.sizes.num_key_heads * config.sizes.head_dim;
  const int64_t inner = config.sizes.intermediate_size;
  RotaryLayer layer;
  // In front of the first layer may stand the norm of the embeddings.
  const bool has_norm = !config.norms_first() || index > 0 || names.embedding_norm == nullptr;
  if (has_norm) layer.attention_norm = ReadNorm(config, name(names.attention_norm), weights);
  if (names.keys == nullptr) {
    layer.queries_keys_values =
        DenseLayer::Read({{name(names.queries), width + 2 * key_width}}, hidden, config.input_bias, weights);
  } else {
    layer.queries_keys_values =
        DenseLayer::Read({{name(names.queries), width}, {name(names.keys), key_width}, {name(names.values), key_width}},
                         hidden, config.input_bias, weights);
  }
  if (config.norms_heads) {
    const int64_t head_dim = config.sizes.head_dim;
    layer.query_norm = Norm::ReadRmsNorm(name("self_attn.q_norm"), head_dim, config.epsilon, weights);
    layer.key_norm = Norm::ReadRmsNorm(name("self_attn.k_norm"), head_dim, config.epsilon, weights);
  }
  layer.attention_output =
      DenseLayer::Read({{name(names.attention_output), hidden}}, width, config.output_bias, weights);
  layer.feed_forward_norm = ReadNorm(config, name(names.feed_forward_norm), weights);
  if (names.up == nullptr) {
    std::vector<DenseLayer> both = DenseLayer::ReadStack(name(names.gate), 2, inner, hidden, config.up_bias, weights);
    layer.gate = std::move(both[names.gate_first ? 0 : 1]);
    layer.up = std::move(both[names.gate_first ? 1 : 0]);
  } else {
    layer.gate = DenseLayer::Read({{name(names.gate), inner}}, hidden, config.up_bias, weights);
    layer.up = DenseLayer::Read({{name(names.up), inner}}, hidden, config.up_bias, weights);
  }
  layer.down = DenseLayer::Read({{name(names.down), hidden}}, inner, config.down_bias, weights);
  return layer;
}

int64_t RotaryLayer::num_bytes() const {
  int64_t bytes = 0;
  for (const DenseLayer* dense : {&queries_keys_values, &attention_output, &gate, &up, &down}) {
    bytes += dense->num_bytes();
  }
  return bytes;
}

}  // namespace favor
