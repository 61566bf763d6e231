#include "favor/model/bert_encoder.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "favor/base/aligned_buffer.h"
#include "favor/kernels/tile.h"
#include "favor/model/dense_layer.h"
#include "favor/model/mpnet_bias.h"
#include "favor/model/norm.h"
#include "favor/model/token_vectors.h"
#include "favor/model/transformer_encoder.h"
#include "favor/model/word_table.h"

namespace favor {
namespace {

using kernels::Activation;
using kernels::kTile;

// What an architecture calls its tensors, those of a layer below layers + its number; and in config.json its layers.
struct TensorNames {
  const char* layers;
  const char* queries;
  const char* keys;
  const char* values;
  const char* attention_output;
  const char* attention_norm;
  const char* up;
  const char* down;
  const char* output_norm;
  const char* num_layers;
};

constexpr TensorNames kBertNames = {"encoder.layer.",       "attention.self.query",   "attention.self.key",
                                    "attention.self.value", "attention.output.dense", "attention.output.LayerNorm",
                                    "intermediate.dense",   "output.dense",           "output.LayerNorm",
                                    "num_hidden_layers"};
constexpr TensorNames kDistilbertNames = {"transformer.layer.", "attention.q_lin", "attention.k_lin", "attention.v_lin",
                                          "attention.out_lin",  "sa_layer_norm",   "ffn.lin1",        "ffn.lin2",
                                          "output_layer_norm",  "n_layers"};

constexpr TensorNames kMpnetNames = {
    "encoder.layer.",      "attention.attn.q",   "attention.attn.k", "attention.attn.v", "attention.attn.o",
    "attention.LayerNorm", "intermediate.dense", "output.dense",     "output.LayerNorm", "num_hidden_layers"};

// Below encoder.albert_layer_groups.0.
constexpr TensorNames kAlbertNames = {
    "albert_layers.",        "attention.query",     "attention.key", "attention.value",
    "attention.dense",       "attention.LayerNorm", "ffn",           "ffn_output",
    "full_layer_layer_norm", "inner_group_num"};

struct Layer {
  DenseLayer queries_keys_values;  // one below the other
  DenseLayer attention_output;
  Norm attention_norm;
  DenseLayer up, down;
  Norm output_norm;
};

class BertEncoder : public TransformerEncoder {
 public:
  BertEncoder(const BertConfig& config, Weights* weights);

  int64_t num_parameters() const override { return num_parameters_; }
  int64_t memory_bytes() const override;
  absl::Status CheckAttention(const AttentionSpec& spec) const override;

 protected:
  int64_t ScratchFloats(int64_t tiles_per_block) const override;
  const RelativeBias* bias() const override { return bias_ ? &*bias_ : nullptr; }
  // Of each token its row in the table.
  void AppendPositions(const PackedSequences& sequences, std::vector<int32_t>* positions) const override;

  void EmbedTokens(Batch& batch, int64_t block, float* scratch) const override;
  void ProjectInputs(int64_t layer, Batch& batch, int64_t block, RowPart rows, float* scratch) const override;
  void StoreInputs(int64_t layer, Batch& batch, int64_t block, float* scratch) const override;
  void AddAttention(int64_t layer, Batch& batch, int64_t block, RowPart rows, float* scratch) const override;
  void NormAttention(int64_t layer, Batch& batch, int64_t block, float* scratch) const override;
  void FeedForwardUp(int64_t layer, Batch& batch, int64_t block, RowPart rows, float* scratch) const override;
  void FeedForwardDown(int64_t layer, Batch& batch, int64_t block, RowPart rows, float* scratch) const override;
  void NormOutputs(int64_t layer, Batch& batch, int64_t block, float* scratch) const override;

 private:
  const TensorNames& names() const {
    if (config_.is_albert()) return kAlbertNames;
    return config_.is_distilbert() ? kDistilbertNames : config_.is_mpnet() ? kMpnetNames : kBertNames;
  }
  // The trained layers whose names begin with `prefix`, `count` of them.
  void ReadLayers(const std::string& prefix, int64_t count, Weights* weights);
  // The trained layer that is applied as this one.
  const Layer& LayerAt(int64_t layer) const;
  // Where ProjectInputs and FeedForwardUp put what they make.
  static BlockTiles Made(const DenseLayer& by, const Batch& batch, int64_t block, float* scratch) {
    return {scratch, by.padded_rows(), batch.blocks.Count(block)};
  }
  void ReadBias(const std::string& prefix, Weights* weights);
  void ReadPositions(const std::string& prefix, Weights* weights);
  Layer ReadLayer(const std::string& prefix, Weights* weights) const;

  BertConfig config_;
  WordTable words_;
  AlignedBuffer<float> positions_;  // [num_positions][embedding_size], with the vector of token type 0, if there is one
  Norm embedding_norm_;
  DenseLayer embedding_projection_;   // of no rows where embeddings are what the first layer reads
  std::optional<RelativeBias> bias_;  // of MPNet's attention
  std::vector<Layer> layers_;
  int64_t num_parameters_ = 0;
};

BertEncoder::BertEncoder(const BertConfig& config, Weights* weights)
    : TransformerEncoder(config.sizes), config_(config) {
  constexpr char kWords[] = "embeddings.word_embeddings.weight";
  const std::string prefix = weights->PrefixOf(
      kWords, {"bert.", "roberta.", "distilbert.", "electra.", "mpnet.", "albert.", "model.", "0.auto_model."});
  const int64_t width = config.embedding_size;
  words_ = WordTable::Load(prefix + kWords, sizes().vocabulary_size, width, weights);
  ReadPositions(prefix + "embeddings.", weights);
  embedding_norm_ = Norm::ReadLayerNorm(prefix + "embeddings.LayerNorm", width, config.epsilon, weights);
  if (width != sizes().hidden_size || config.is_albert()) {
    const char* name = config.is_albert() ? "encoder.embedding_hidden_mapping_in" : "embeddings_project";
    embedding_projection_ = DenseLayer::Read({{prefix + name, sizes().hidden_size}}, width, true, weights);
  }
  if (config.is_mpnet()) ReadBias(prefix, weights);
  if (!config.is_albert()) ReadLayers(prefix + names().layers, sizes().num_layers, weights);
  for (int64_t group = 0; group < config.num_groups && weights->status().ok(); ++group) {
    const std::string of_group = absl::StrCat(prefix, "encoder.albert_layer_groups.", group, ".");
    ReadLayers(of_group + names().layers, config.layers_per_group, weights);
  }
  if (const std::string next = absl::StrCat(prefix, "encoder.albert_layer_groups.", config.num_groups, ".");
      weights->HasPrefix(next)) {
    weights->Fail(
        absl::StrCat("there are tensors ", next, "*, num_hidden_groups of config.json is ", config.num_groups));
  }
  num_parameters_ = weights->num_read();
}

void BertEncoder::ReadLayers(const std::string& prefix, int64_t count, Weights* weights) {
  for (int64_t i = 0; i < count && weights->status().ok(); ++i) {
    layers_.push_back(ReadLayer(absl::StrCat(prefix, i, "."), weights));
  }
  if (const std::string next = absl::StrCat(prefix, count, "."); weights->HasPrefix(next)) {
    weights->Fail(absl::StrCat("there are tensors ", next, "*, ", names().num_layers, " of config.json is ", count));
  }
}

const Layer& BertEncoder::LayerAt(int64_t layer) const {
  if (!config_.is_albert()) return layers_[layer];
  const int64_t per_group = config_.layers_per_group, num_applied = sizes().num_layers / per_group;
  const int64_t group = layer / per_group * config_.num_groups / num_applied;
  return layers_[group * per_group + layer % per_group];
}

void BertEncoder::ReadPositions(const std::string& prefix, Weights* weights) {
  const int64_t width = config_.embedding_size;
  positions_ = weights->Read(prefix + "position_embeddings.weight", {config_.num_positions, width});
  if (config_.num_token_types == 0) return;
  const AlignedBuffer<float> types =
      weights->Read(prefix + "token_type_embeddings.weight", {config_.num_token_types, width});
  if (!weights->status().ok()) return;
  for (int64_t row = 0; row < config_.num_positions; ++row) {
    for (int64_t l = 0; l < width; ++l) positions_[row * width + l] += types[l];
  }
}

void BertEncoder::ReadBias(const std::string& prefix, Weights* weights) {
  const std::string name = prefix + "encoder.relative_attention_bias.weight";
  const AlignedBuffer<float> table = weights->Read(name, {kMpnetBuckets, sizes().num_heads});
  if (!weights->status().ok()) return;
  absl::StatusOr<RelativeBias> bias = MpnetBias(table.data(), sizes().num_heads, sizes().max_tokens);
  if (!bias.ok()) return weights->Fail(absl::StrCat(name, ": ", bias.status().message()));
  bias_ = *std::move(bias);
}

Layer BertEncoder::ReadLayer(const std::string& prefix, Weights* weights) const {
  const int64_t hidden = sizes().hidden_size, intermediate = sizes().intermediate_size;
  const TensorNames& names = this->names();
  Layer layer;
  layer.queries_keys_values = DenseLayer::Read(
      {{prefix + names.queries, hidden}, {prefix + names.keys, hidden}, {prefix + names.values, hidden}}, hidden, true,
      weights);
  layer.attention_output = DenseLayer::Read({{prefix + names.attention_output, hidden}}, hidden, true, weights);
  layer.attention_norm = Norm::ReadLayerNorm(prefix + names.attention_norm, hidden, config_.epsilon, weights);
  layer.up = DenseLayer::Read({{prefix + names.up, intermediate}}, hidden, true, weights);
  layer.down = DenseLayer::Read({{prefix + names.down, hidden}}, intermediate, true, weights);
  layer.output_norm = Norm::ReadLayerNorm(prefix + names.output_norm, hidden, config_.epsilon, weights);
  return layer;
}

int64_t BertEncoder::memory_bytes() const {
  int64_t bytes = words_.num_bytes() + positions_.size() * static_cast<int64_t>(sizeof(float));
  bytes += embedding_projection_.num_bytes() + (bias_ ? bias_->num_bytes() : 0);
  for (const Layer& layer : layers_) {
    for (const DenseLayer* dense : {&layer.queries_keys_values, &layer.attention_output, &layer.up, &layer.down}) {
      bytes += dense->num_bytes();
    }
  }
  return bytes;
}

absl::Status BertEncoder::CheckAttention(const AttentionSpec& spec) const {
  if (bias_ && spec.mode != AttentionMode::kExact) {
    return absl::InvalidArgumentError(
        "attention.features is set, the model adds a bias of positions to its scores: its attention is exact only");
  }
  return TransformerEncoder::CheckAttention(spec);
}

int64_t BertEncoder::ScratchFloats(int64_t tiles_per_block) const {
  const int64_t widest = std::max(3 * sizes().hidden_size, sizes().intermediate_size);
  const int64_t tile = tiles_per_block * kTile;
  return std::max({TokenVectorScratch(sizes().hidden_size), tile * kernels::PanelRowCount(widest),
                   tile * sizes().hidden_size,
                   TokenVectorScratch(config_.embedding_size) + tile * config_.embedding_size});
}

void BertEncoder::EmbedTokens(Batch& batch, int64_t block, float* scratch) const {
  const int64_t width = config_.embedding_size, first = batch.blocks.First(block);
  const BlockTiles stream = batch.stream.Block(block);
  const bool projects = embedding_projection_.rows() > 0;
  const BlockTiles embedded =
      projects ? BlockTiles{scratch + TokenVectorScratch(width), width, batch.blocks.Count(block)} : stream;
  const auto write_vector = [&](int64_t t, float* row) {
    words_.Read(batch.sequences.ids[first + t], row);
    const float* position = positions_.data() + batch.positions[first + t] * width;
    for (int64_t l = 0; l < width; ++l) row[l] += position[l];
  };
  LoadTokenVectors(embedded, width, write_vector, scratch);
  embedding_norm_.Apply(embedded, embedded);
  if (projects) embedding_projection_.Apply(embedded, Activation::kNone, /*add=*/false, stream);
}

void BertEncoder::ProjectInputs(int64_t layer, Batch& batch, int64_t block, RowPart rows, float* scratch) const {
  const DenseLayer& project = LayerAt(layer).queries_keys_values;
  project.Apply(batch.stream.Block(block), Activation::kNone, /*add=*/false, Made(project, batch, block, scratch),
                rows);
}

void BertEncoder::StoreInputs(int64_t layer, Batch& batch, int64_t block, float* scratch) const {
  batch.queries_keys_values.Store(batch.blocks.First(block),
                                  Made(LayerAt(layer).queries_keys_values, batch, block, scratch));
}

void BertEncoder::AddAttention(int64_t layer, Batch& batch, int64_t block, RowPart rows, float* scratch) const {
  LayerAt(layer).attention_output.Apply(Context(batch, block, scratch), Activation::kNone, /*add=*/true,
                                        batch.stream.Block(block), rows);
}

void BertEncoder::NormAttention(int64_t layer, Batch& batch, int64_t block, float*) const {
  LayerAt(layer).attention_norm.Apply(batch.stream.Block(block), batch.stream.Block(block));
}

void BertEncoder::FeedForwardUp(int64_t layer, Batch& batch, int64_t block, RowPart rows, float* scratch) const {
  const DenseLayer& up = LayerAt(layer).up;
  up.Apply(batch.stream.Block(block), config_.activation, /*add=*/false, Made(up, batch, block, scratch), rows);
}

void BertEncoder::FeedForwardDown(int64_t layer, Batch& batch, int64_t block, RowPart rows, float* scratch) const {
  const Layer& weights = LayerAt(layer);
  weights.down.Apply(Made(weights.up, batch, block, scratch), Activation::kNone, /*add=*/true,
                     batch.stream.Block(block), rows);
}

void BertEncoder::NormOutputs(int64_t layer, Batch& batch, int64_t block, float*) const {
  LayerAt(layer).output_norm.Apply(batch.stream.Block(block), batch.stream.Block(block));
}

void BertEncoder::AppendPositions(const PackedSequences& sequences, std::vector<int32_t>* positions) const {
  for (int64_t s = 0; s < sequences.num_sequences(); ++s) {
    int64_t next = config_.first_position;
    for (int64_t t = sequences.offsets[s]; t < sequences.offsets[s + 1]; ++t) {
      const bool is_padding = sequences.ids[t] == config_.padding_id;
      positions->push_back(static_cast<int32_t>(is_padding ? config_.first_position - 1 : next++));
    }
  }
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Encoder>> LoadBertEncoder(const BertConfig& config, Weights* weights) {
  auto encoder = std::make_shared<BertEncoder>(config, weights);
  if (!weights->status().ok()) return weights->status();
  return encoder;
}

}  // namespace favor
