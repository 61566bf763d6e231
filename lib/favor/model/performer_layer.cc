#include "favor/model/performer_layer.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace favor {
namespace {

using NormKind = PerformerConfig::NormKind;

constexpr double kLayerNormEpsilon = 1e-5;
constexpr double kScaleNormEpsilon = 1e-5;

// What stands around attention or feed-forward: a norm or a factor, and maybe a shift of tokens.
struct Wrapper {
  std::string inner;  // prefix of what is inside
  Norm norm;
  float factor = 1;
};

Wrapper ReadWrapper(const PerformerConfig& config, const std::string& name, Weights* weights) {
  Wrapper wrapper;
  wrapper.inner = name + (config.shifts_tokens ? "fn.fn." : "fn.");
  if (config.norm == NormKind::kLayer) {
    wrapper.norm = Norm::ReadLayerNorm(name + "norm", config.dim, kLayerNormEpsilon, weights);
  } else if (config.norm == NormKind::kScale) {
    wrapper.norm = Norm::ReadScaleNorm(name + "g", config.dim, kScaleNormEpsilon, weights);
  } else {
    const AlignedBuffer<float> factor = weights->Read(name + "g", {});
    if (!factor.empty()) wrapper.factor = factor[0];
  }
  return wrapper;
}

std::shared_ptr<const Projection> ReadProjection(const PerformerConfig& config, const std::string& name,
                                                 Weights* weights) {
  const absl::Span<const int64_t> shape = weights->ShapeOf(name);
  const int64_t num_features = config.num_features.value_or(shape.empty() ? 1 : shape[0]);
  const AlignedBuffer<float> rows = weights->Read(name, {num_features, config.head_dim});
  if (!weights->status().ok()) return nullptr;
  auto projection = SuppliedProjection(rows.span(), 1, num_features, config.head_dim);
  if (projection.ok()) return *std::move(projection);
  weights->Fail(absl::StrCat(name, ": ", projection.status().message()));
  return nullptr;
}

void ReadLocalHeads(const std::string& attention, int64_t head_dim, Weights* weights, PerformerLayer* layer) {
  const std::string learned = attention + "local_attn.rel_pos.weights";
  if (weights->Has(learned)) {
    weights->Fail(absl::StrCat(learned, ": learned relative positions of old local-attention are not supported"));
  }
  if (head_dim % 2 != 0) weights->Fail(absl::StrCat(attention, "local_attn: dim_head is odd, it must be even"));
  layer->local_frequencies = weights->Read(attention + "local_attn.rel_pos.inv_freq", {head_dim / 2});
}

void ReadAttention(const PerformerConfig& config, const std::string& name, Weights* weights, PerformerLayer* layer) {
  Wrapper wrapper = ReadWrapper(config, name, weights);
  const std::string& inner = wrapper.inner;
  const int64_t rows = config.num_heads * config.head_dim;
  layer->attention_norm = std::move(wrapper.norm);
  layer->queries_keys_values =
      DenseLayer::Read({{inner + "to_q", rows}, {inner + "to_k", rows}, {inner + "to_v", rows}}, config.dim,
                       config.has_input_bias, weights);
  layer->attention_output =
      DenseLayer::Read({{inner + "to_out", config.dim}}, rows, config.has_output_bias, weights, wrapper.factor);
  if (config.UsesProjection() && layer->num_local_heads < config.num_heads) {
    layer->projection = ReadProjection(config, inner + "fast_attention.projection_matrix", weights);
  }
  if (layer->num_local_heads > 0) ReadLocalHeads(inner, config.head_dim, weights, layer);
}

void ReadFeedForward(const PerformerConfig& config, const std::string& name, Weights* weights, PerformerLayer* layer) {
  Wrapper wrapper = ReadWrapper(config, name, weights);
  const std::string inner = wrapper.inner + "fn.";  // feed-forward stands in a Chunk
  const int64_t rows = config.inner_dim;
  layer->feed_forward_norm = std::move(wrapper.norm);
  std::vector<DenseLayer> first =
      DenseLayer::ReadStack(inner + "w1", config.gated ? 2 : 1, rows, config.dim, true, weights);
  layer->up = std::move(first.back());
  if (config.gated) layer->gate = std::move(first.front());
  layer->down = DenseLayer::Read({{inner + "w2", config.dim}}, rows, true, weights, wrapper.factor);
}

}  // namespace

std::string PerformerLayer::Prefix(const PerformerConfig& config, int64_t index) {
  return absl::StrCat(config.is_language_model ? "performer." : "", "net.", config.reversible ? "blocks." : "layers.",
                      index, ".");
}

PerformerLayer PerformerLayer::Read(const PerformerConfig& config, int64_t index, Weights* weights) {
  PerformerLayer layer;
  layer.index = index;
  layer.num_local_heads = config.local_heads[index];
  const std::string prefix = Prefix(config, index);
  ReadAttention(config, absl::StrCat(prefix, config.reversible ? "f.net." : "0."), weights, &layer);
  ReadFeedForward(config, absl::StrCat(prefix, config.reversible ? "g.net." : "1."), weights, &layer);
  return layer;
}

int64_t PerformerLayer::num_bytes() const {
  int64_t bytes = projection == nullptr ? 0 : projection->num_bytes();
  for (const DenseLayer* dense : {&queries_keys_values, &attention_output, &gate, &up, &down}) {
    bytes += dense->num_bytes();
  }
  return bytes;
}

}  // namespace favor
