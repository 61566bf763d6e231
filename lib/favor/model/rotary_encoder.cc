#include "favor/model/rotary_encoder.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "favor/kernels/elementwise.h"
#include "favor/kernels/panels.h"
#include "favor/kernels/tile.h"
#include "favor/model/rotary_layer.h"
#include "favor/model/token_vectors.h"
#include "favor/model/transformer_encoder.h"
#include "favor/model/turn_planes.h"
#include "favor/model/word_table.h"

namespace favor {
namespace {

using kernels::Activation;
using kernels::kTile;

// Of every plane in a text of so many tokens, float32 as in the published code: far behind in a text the rounding of a
// frequency shows.
std::vector<float> Frequencies(const RotaryConfig::Angles& angles, int64_t head_dim, int64_t length) {
  const auto dim = static_cast<double>(head_dim);
  double theta = angles.theta;
  if (angles.trained_length > 0 && length > angles.trained_length) {
    const double ratio = static_cast<double>(length) / static_cast<double>(angles.trained_length);
    theta *= std::pow(angles.stretch * ratio - (angles.stretch - 1), dim / (dim - 2));
  }
  std::vector<float> frequencies(head_dim / 2);
  for (int64_t j = 0; j < head_dim / 2; ++j) {
    frequencies[j] = static_cast<float>(1 / (std::pow(theta, 2.0 * static_cast<double>(j) / dim) * angles.shrink));
  }
  return frequencies;
}

// Cosines and then sines of a token's angles down a column of a tile.
void WriteToken(const std::vector<float>& frequencies, int64_t position, float* column) {
  float* sines = column + frequencies.size() * kTile;
  for (size_t j = 0; j < frequencies.size(); ++j) {
    const float angle = static_cast<float>(position) * frequencies[j];
    column[j * kTile] = std::cos(angle);
    sines[j * kTile] = std::sin(angle);
  }
}

class RotaryEncoder : public TransformerEncoder {
 public:
  RotaryEncoder(const RotaryConfig& config, Weights* weights);

  int64_t num_parameters() const override { return num_parameters_; }
  int64_t memory_bytes() const override;

 protected:
  int64_t ScratchFloats(int64_t tiles_per_block) const override;
  // Cosines before sines [head_dim / 2] of global layers, then those of local ones.
  int64_t num_angles() const override { return sizes().head_dim * (sizes().is_local.empty() ? 1 : 2); }

  void EmbedTokens(Batch& batch, int64_t block, float* scratch) const override;
  void NormInputs(int64_t layer, Batch& batch, int64_t block, float* scratch) const override;
  void ProjectInputs(int64_t layer, Batch& batch, int64_t block, RowPart rows, float* scratch) const override;
  void StoreInputs(int64_t layer, Batch& batch, int64_t block, float* scratch) const override;
  void AddAttention(int64_t layer, Batch& batch, int64_t block, RowPart rows, float* scratch) const override;
  void NormAttention(int64_t layer, Batch& batch, int64_t block, float* scratch) const override;
  void FeedForwardUp(int64_t layer, Batch& batch, int64_t block, RowPart rows, float* scratch) const override;
  void FeedForwardDown(int64_t layer, Batch& batch, int64_t block, RowPart rows, float* scratch) const override;
  void NormOutputs(int64_t layer, Batch& batch, int64_t block, float* scratch) const override;
  void StoreVectors(Batch& batch, int64_t block, float* scratch) const override;

 private:
  void WriteAngles(Batch& batch, int64_t block) const;
  // Norms the queries and keys of a tile, where the layer does, and turns them by its angles.
  void TurnHeads(int64_t layer, const float* angles, float* tile) const;
  // Whether a sublayer reads this norm of the stream, or else the stream itself.
  bool Reads(const Norm& norm) const { return config_.norms_first() && !norm.is_none(); }
  BlockTiles InputOf(const Norm& norm, const Batch& batch, int64_t block, float* scratch) const {
    return Reads(norm) ? Normed(batch, block, scratch) : batch.stream.Block(block);
  }
  // The first rows of a block's scratch, where norms go.
  BlockTiles Normed(const Batch& batch, int64_t block, float* scratch) const {
    return {scratch, config_.norms_first() ? sizes().hidden_size : 0, batch.blocks.Count(block)};
  }

  RotaryConfig config_;
  WordTable words_;
  AlignedBuffer<float> type_;  // [hidden_size], the vector of token type 0, or of no elements
  Norm embedding_norm_;
  std::vector<RotaryLayer> layers_;
  Norm last_norm_;
  int64_t num_parameters_ = 0;
};

RotaryEncoder::RotaryEncoder(const RotaryConfig& config, Weights* weights)
    : TransformerEncoder(config.sizes), config_(config) {
  const int64_t hidden = sizes().hidden_size;
  std::string prefix;
  const RotaryNames& names = NamesOf(config, weights, &prefix);
  words_ = WordTable::Load(prefix + names.words, sizes().vocabulary_size, hidden, weights);
  if (config.num_token_types > 0) {
    type_ = weights->Read(prefix + names.token_types, {config.num_token_types, hidden});
  }
  if (names.embedding_norm != nullptr) embedding_norm_ = ReadNorm(config, prefix + names.embedding_norm, weights);
  for (int64_t i = 0; i < sizes().num_layers && weights->status().ok(); ++i) {
    layers_.push_back(RotaryLayer::Read(config, names, prefix, i, weights));
  }
  if (const std::string next = absl::StrCat(prefix, names.layers, sizes().num_layers, "."); weights->HasPrefix(next)) {
    weights->Fail(absl::StrCat("there are tensors ", next, "*, ", config.num_layers_key, " of config.json is ",
                               sizes().num_layers));
  }
  if (config.norms_first()) last_norm_ = ReadNorm(config, prefix + names.last_norm, weights);
  num_parameters_ = weights->num_read();
}

int64_t RotaryEncoder::memory_bytes() const {
  int64_t bytes = words_.num_bytes() + type_.size() * static_cast<int64_t>(sizeof(float));
  for (const RotaryLayer& layer : layers_) bytes += layer.num_bytes();
  return bytes;
}

int64_t RotaryEncoder::ScratchFloats(int64_t tiles_per_block) const {
  const int64_t inner = kernels::PanelRowCount(sizes().intermediate_size);
  const int64_t widest = std::max(kernels::PanelRowCount(sizes().num_input_heads() * sizes().head_dim), 2 * inner);
  const int64_t normed = config_.norms_first() ? sizes().hidden_size : 0;
  return std::max(TokenVectorScratch(sizes().hidden_size), tiles_per_block * kTile * (normed + widest));
}

void RotaryEncoder::EmbedTokens(Batch& batch, int64_t block, float* scratch) const {
  const int64_t hidden = sizes().hidden_size, first = batch.blocks.First(block);
  const BlockTiles stream = batch.stream.Block(block);
  const auto write_vector = [&](int64_t t, float* row) {
    words_.Read(batch.sequences.ids[first + t], row);
    if (type_.empty()) return;
    for (int64_t l = 0; l < hidden; ++l) row[l] += type_[l];
  };
  LoadTokenVectors(stream, hidden, write_vector, scratch);
  embedding_norm_.Apply(stream, stream);
  WriteAngles(batch, block);
}

void RotaryEncoder::WriteAngles(Batch& batch, int64_t block) const {
  const BlockTiles angles = batch.angles.Block(block);
  std::fill_n(angles.data, angles.Floats(), 0.0f);  // of tokens that fill a tile up, too
  const absl::Span<const int64_t> offsets = batch.sequences.offsets;
  const int64_t first = batch.blocks.First(block), end = first + angles.num_tokens;
  // Of every sequence that has tokens in the block.
  auto next = std::upper_bound(offsets.begin(), offsets.end(), first);
  for (int64_t from = first; from < end; from = *next++) {
    const int64_t to = std::min(end, *next), length = *next - *(next - 1);
    const auto write = [&](const RotaryConfig::Angles& of, int64_t row) {
      const std::vector<float> frequencies = Frequencies(of, sizes().head_dim, length);
      for (int64_t t = from; t < to; ++t) {
        float* column = angles.Tile((t - first) / kTile) + row * kTile + (t - first) % kTile;
        WriteToken(frequencies, batch.positions[t], column);
      }
    };
    write(config_.angles, 0);
    if (!sizes().is_local.empty()) write(config_.local_angles, sizes().head_dim);
  }
}

void RotaryEncoder::NormInputs(int64_t layer, Batch& batch, int64_t block, float* scratch) const {
  const Norm& norm = layers_[layer].attention_norm;
  if (Reads(norm)) norm.Apply(batch.stream.Block(block), Normed(batch, block, scratch));
}

void RotaryEncoder::ProjectInputs(int64_t layer, Batch& batch, int64_t block, RowPart rows, float* scratch) const {
  const RotaryLayer& weights = layers_[layer];
  const BlockTiles projected = Normed(batch, block, scratch).Next(weights.queries_keys_values.padded_rows());
  weights.queries_keys_values.Apply(InputOf(weights.attention_norm, batch, block, scratch), Activation::kNone,
                                    /*add=*/false, projected, rows);
}

void RotaryEncoder::TurnHeads(int64_t layer, const float* angles, float* tile) const {
  const RotaryLayer& weights = layers_[layer];
  const int64_t head_dim = sizes().head_dim, num_heads = sizes().num_heads;
  const int64_t num_turned = num_heads + sizes().num_key_heads;  // keys stand behind queries
  for (int64_t i = 0; config_.norms_heads && i < num_turned; ++i) {
    float* head = tile + i * head_dim * kTile;
    (i < num_heads ? weights.query_norm : weights.key_norm).Apply(head, head);
  }
  const float* cosines = angles + (sizes().IsLocal(layer) ? head_dim * kTile : 0);
  TurnPlanes(tile, head_dim, num_turned, Planes::kOfHalves, cosines, cosines + head_dim / 2 * kTile);
}

void RotaryEncoder::StoreInputs(int64_t layer, Batch& batch, int64_t block, float* scratch) const {
  const int64_t rows = layers_[layer].queries_keys_values.padded_rows();
  const BlockTiles projected = Normed(batch, block, scratch).Next(rows), angles = batch.angles.Block(block);
  for (int64_t i = 0; i < projected.num_tiles(); ++i) TurnHeads(layer, angles.Tile(i), projected.Tile(i));
  batch.queries_keys_values.Store(batch.blocks.First(block), projected);
}

void RotaryEncoder::AddAttention(int64_t layer, Batch& batch, int64_t block, RowPart rows, float* scratch) const {
  layers_[layer].attention_output.Apply(Context(batch, block, scratch), Activation::kNone, /*add=*/true,
                                        batch.stream.Block(block), rows);
}

void RotaryEncoder::NormAttention(int64_t layer, Batch& batch, int64_t block, float* scratch) const {
  const BlockTiles stream = batch.stream.Block(block);
  const RotaryLayer& weights = layers_[layer];
  if (!config_.norms_first()) return weights.attention_norm.Apply(stream, stream);
  if (Reads(weights.feed_forward_norm)) weights.feed_forward_norm.Apply(stream, Normed(batch, block, scratch));
}

void RotaryEncoder::FeedForwardUp(int64_t layer, Batch& batch, int64_t block, RowPart rows, float* scratch) const {
  const RotaryLayer& weights = layers_[layer];
  const BlockTiles input = InputOf(weights.feed_forward_norm, batch, block, scratch);
  const BlockTiles inner = Normed(batch, block, scratch).Next(weights.up.padded_rows());
  const BlockTiles gate = inner.Next(weights.gate.padded_rows());
  weights.up.Apply(input, Activation::kNone, /*add=*/false, inner, rows);
  weights.gate.Apply(input, config_.activation, /*add=*/false, gate, rows);
  const auto [begin, end] = weights.up.RowsOf(rows);
  for (int64_t i = 0; i < inner.num_tiles(); ++i) {
    kernels::MultiplyBy(gate.Tile(i) + begin * kTile, (end - begin) * kTile, inner.Tile(i) + begin * kTile);
  }
}

void RotaryEncoder::FeedForwardDown(int64_t layer, Batch& batch, int64_t block, RowPart rows, float* scratch) const {
  const RotaryLayer& weights = layers_[layer];
  const BlockTiles inner = Normed(batch, block, scratch).Next(weights.up.padded_rows());
  weights.down.Apply(inner, Activation::kNone, /*add=*/true, batch.stream.Block(block), rows);
}

void RotaryEncoder::NormOutputs(int64_t layer, Batch& batch, int64_t block, float*) const {
  if (config_.norms_first()) return;
  layers_[layer].feed_forward_norm.Apply(batch.stream.Block(block), batch.stream.Block(block));
}

void RotaryEncoder::StoreVectors(Batch& batch, int64_t block, float* scratch) const {
  last_norm_.Apply(batch.stream.Block(block), batch.stream.Block(block));
  TransformerEncoder::StoreVectors(batch, block, scratch);
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Encoder>> LoadRotaryEncoder(const RotaryConfig& config, Weights* weights) {
  auto encoder = std::make_shared<RotaryEncoder>(config, weights);
  if (!weights->status().ok()) return weights->status();
  return encoder;
}

}  // namespace favor
