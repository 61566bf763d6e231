#include "favor/model/bert_encoder.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "favor/base/aligned_buffer.h"
#include "favor/kernels/tile.h"
#include "favor/model/block_stages.h"
#include "favor/model/block_stream.h"
#include "favor/model/dense_layer.h"
#include "favor/model/mpnet_bias.h"
#include "favor/model/norm.h"
#include "favor/model/packed_heads.h"
#include "favor/model/token_blocks.h"
#include "favor/model/token_vectors.h"
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

struct Layer {
  DenseLayer queries_keys_values;  // one below the other
  DenseLayer attention_output;
  Norm attention_norm;
  DenseLayer up, down;
  Norm output_norm;
};

// What one call computes on. A token's row of attention is its number.
struct Batch {
  Batch(const PackedSequences& sequences, const TokenBlocks& blocks, int64_t hidden, float* vectors)
      : sequences(sequences), blocks(blocks), vectors(vectors), stream(blocks, hidden) {}

  PackedSequences sequences;
  TokenBlocks blocks;
  float* vectors;
  std::vector<int32_t> positions;  // of each token, its row in the table
  BlockStream stream;
  PackedHeads queries_keys_values;  // 3 num_heads
  PackedHeads context;              // num_heads
};

class BertEncoder : public Encoder {
 public:
  BertEncoder(const BertConfig& config, Weights* weights);

  int64_t dimensions() const override { return config_.hidden_size; }
  int64_t vocabulary_size() const override { return config_.vocabulary_size; }
  int64_t max_tokens() const override { return config_.max_tokens(); }
  int64_t num_parameters() const override { return num_parameters_; }
  int64_t memory_bytes() const override;
  int64_t head_dim() const override { return config_.hidden_size / config_.num_heads; }
  AttentionSpec attention() const override {
    AttentionSpec spec;
    spec.mode = AttentionMode::kExact;
    return spec;
  }
  absl::Status CheckAttention(const AttentionSpec& spec) const override;
  absl::StatusOr<Job> Plan(const PackedSequences& sequences, const EncoderAttention* attention,
                           const Cancellation* cancellation, float* vectors) const override;
  int64_t ScratchBytes(absl::Span<const int64_t> lengths, const EncoderAttention* attention,
                       int num_threads) const override;

 private:
  TokenBlocks Blocks(int64_t num_tokens) const {
    return TokenBlocks(num_tokens, 2 * config_.hidden_size * config_.intermediate_size);
  }
  // Floats that a chain of stages needs beside the batch's own buffers.
  int64_t ScratchFloats(int64_t tiles_per_block) const;

  const TensorNames& names() const {
    return config_.is_distilbert() ? kDistilbertNames : config_.is_mpnet() ? kMpnetNames : kBertNames;
  }
  void ReadBias(const std::string& prefix, Weights* weights);
  void ReadPositions(const std::string& prefix, Weights* weights);
  Layer ReadLayer(const std::string& prefix, Weights* weights) const;
  void AppendPositions(const PackedSequences& sequences, std::vector<int32_t>* positions) const;
  std::vector<AttentionOperands> OperandsOf(const PackedSequences& sequences, const PackedHeads& inputs,
                                            const PackedHeads& context,
                                            std::shared_ptr<const Projection> projection) const;

  // Stages of a block.
  void EmbedTokens(Batch& batch, int64_t block, float* scratch) const;
  void ProjectInputs(const Layer& layer, Batch& batch, int64_t block, float* scratch) const;
  void AddAttention(const Layer& layer, Batch& batch, int64_t block, float* scratch) const;
  void FeedForwardUp(const Layer& layer, Batch& batch, int64_t block, float* scratch) const;
  void FeedForwardDown(const Layer& layer, Batch& batch, int64_t block, float* scratch) const;
  void StoreVectors(Batch& batch, int64_t block, float* scratch) const;

  BertConfig config_;
  WordTable words_;
  AlignedBuffer<float> positions_;  // [num_positions][embedding_size], with the vector of token type 0, if there is one
  Norm embedding_norm_;
  DenseLayer embedding_projection_;   // where embedding_size is not hidden_size
  std::optional<RelativeBias> bias_;  // of MPNet's attention
  std::vector<Layer> layers_;
  int64_t num_parameters_ = 0;
};

// The prefix of the model around the encoder, or nothing.
std::string Prefix(Weights* weights) {
  constexpr char kWords[] = "embeddings.word_embeddings.weight";
  for (const char* prefix : {"", "bert.", "roberta.", "distilbert.", "electra.", "mpnet.", "model.", "0.auto_model."}) {
    if (weights->Has(absl::StrCat(prefix, kWords))) return prefix;
  }
  if (const StoredTensor* other = weights->FindEnding(absl::StrCat(".", kWords)); other != nullptr) {
    weights->Fail(absl::StrCat("there is no tensor ", kWords, ", which the model needs; the prefix of ", other->name,
                               " is not known"));
  }
  return "";
}

BertEncoder::BertEncoder(const BertConfig& config, Weights* weights) : config_(config) {
  const std::string prefix = Prefix(weights);
  const int64_t width = config.embedding_size;
  words_ = WordTable::Load(prefix + "embeddings.word_embeddings.weight", config.vocabulary_size, width, weights);
  ReadPositions(prefix + "embeddings.", weights);
  embedding_norm_ = Norm::ReadLayerNorm(prefix + "embeddings.LayerNorm", width, config.epsilon, weights);
  if (width != config.hidden_size) {
    embedding_projection_ = DenseLayer::Read({prefix + "embeddings_project"}, config.hidden_size, width, true, weights);
  }
  if (config.is_mpnet()) ReadBias(prefix, weights);
  for (int64_t i = 0; i < config.num_layers && weights->status().ok(); ++i) {
    layers_.push_back(ReadLayer(absl::StrCat(prefix, names().layers, i, "."), weights));
  }
  const std::string next = absl::StrCat(prefix, names().layers, config.num_layers, ".");
  if (weights->HasPrefix(next)) {
    weights->Fail(
        absl::StrCat("there are tensors ", next, "*, ", names().num_layers, " of config.json is ", config.num_layers));
  }
  num_parameters_ = weights->num_read();
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
  const AlignedBuffer<float> table = weights->Read(name, {kMpnetBuckets, config_.num_heads});
  if (!weights->status().ok()) return;
  absl::StatusOr<RelativeBias> bias = MpnetBias(table.data(), config_.num_heads, config_.max_tokens());
  if (!bias.ok()) return weights->Fail(absl::StrCat(name, ": ", bias.status().message()));
  bias_ = *std::move(bias);
}

Layer BertEncoder::ReadLayer(const std::string& prefix, Weights* weights) const {
  const int64_t hidden = config_.hidden_size, intermediate = config_.intermediate_size;
  const TensorNames& names = this->names();
  Layer layer;
  layer.queries_keys_values = DenseLayer::Read({prefix + names.queries, prefix + names.keys, prefix + names.values},
                                               hidden, hidden, true, weights);
  layer.attention_output = DenseLayer::Read({prefix + names.attention_output}, hidden, hidden, true, weights);
  layer.attention_norm = Norm::ReadLayerNorm(prefix + names.attention_norm, hidden, config_.epsilon, weights);
  layer.up = DenseLayer::Read({prefix + names.up}, intermediate, hidden, true, weights);
  layer.down = DenseLayer::Read({prefix + names.down}, hidden, intermediate, true, weights);
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
  if (spec.causal) return absl::InvalidArgumentError("attention.causal is true, the model was trained without");
  if (spec.scale) return absl::InvalidArgumentError("attention.scale is set, it is the model's own");
  if (bias_ && spec.mode != AttentionMode::kExact) {
    return absl::InvalidArgumentError(
        "attention.features is set, the model adds a bias of positions to its scores: its attention is exact only");
  }
  return absl::OkStatus();
}

int64_t BertEncoder::ScratchFloats(int64_t tiles_per_block) const {
  const int64_t widest = std::max(3 * config_.hidden_size, config_.intermediate_size);
  const int64_t tile = tiles_per_block * kTile;
  return std::max({TokenVectorScratch(config_.hidden_size), tile * kernels::PanelRowCount(widest),
                   tile * config_.hidden_size,
                   TokenVectorScratch(config_.embedding_size) + tile * config_.embedding_size});
}

void BertEncoder::EmbedTokens(Batch& batch, int64_t block, float* scratch) const {
  const int64_t width = config_.embedding_size, first = batch.blocks.First(block);
  const BlockTiles stream = batch.stream.Block(block);
  const bool projects = width != config_.hidden_size;
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

void BertEncoder::ProjectInputs(const Layer& layer, Batch& batch, int64_t block, float* scratch) const {
  const BlockTiles projected{scratch, layer.queries_keys_values.padded_rows(), batch.blocks.Count(block)};
  layer.queries_keys_values.Apply(batch.stream.Block(block), Activation::kNone, /*add=*/false, projected);
  batch.queries_keys_values.Store(batch.blocks.First(block), projected);
}

void BertEncoder::AddAttention(const Layer& layer, Batch& batch, int64_t block, float* scratch) const {
  const BlockTiles context{scratch, config_.hidden_size, batch.blocks.Count(block)};
  batch.context.Load(batch.blocks.First(block), context);
  const BlockTiles stream = batch.stream.Block(block);
  layer.attention_output.Apply(context, Activation::kNone, /*add=*/true, stream);
  layer.attention_norm.Apply(stream, stream);
}

void BertEncoder::FeedForwardUp(const Layer& layer, Batch& batch, int64_t block, float* scratch) const {
  const BlockTiles inner{scratch, layer.up.padded_rows(), batch.blocks.Count(block)};
  layer.up.Apply(batch.stream.Block(block), config_.activation, /*add=*/false, inner);
}

// Finds in `scratch` what FeedForwardUp left there.
void BertEncoder::FeedForwardDown(const Layer& layer, Batch& batch, int64_t block, float* scratch) const {
  const BlockTiles inner{scratch, layer.up.padded_rows(), batch.blocks.Count(block)};
  const BlockTiles stream = batch.stream.Block(block);
  layer.down.Apply(inner, Activation::kNone, /*add=*/true, stream);
  layer.output_norm.Apply(stream, stream);
}

void BertEncoder::StoreVectors(Batch& batch, int64_t block, float* scratch) const {
  const int64_t hidden = config_.hidden_size;
  StoreTokenVectors(batch.stream.Block(block), hidden, scratch, batch.vectors + batch.blocks.First(block) * hidden);
}

std::vector<AttentionOperands> BertEncoder::OperandsOf(const PackedSequences& sequences, const PackedHeads& inputs,
                                                       const PackedHeads& context,
                                                       std::shared_ptr<const Projection> projection) const {
  std::vector<AttentionOperands> calls;
  for (int64_t s = 0; s < sequences.num_sequences(); ++s) {
    const int64_t first = sequences.offsets[s], length = sequences.offsets[s + 1] - first;
    AttentionOperands call;
    call.inputs.queries = inputs.View(0, config_.num_heads, first, length);
    call.inputs.keys = inputs.View(config_.num_heads, config_.num_heads, first, length);
    call.inputs.values = inputs.View(2 * config_.num_heads, config_.num_heads, first, length);
    call.inputs.projection = projection;
    call.inputs.relative_bias = bias_ ? &*bias_ : nullptr;
    call.output = context.View(0, config_.num_heads, first, length);
    calls.push_back(std::move(call));
  }
  // Long ones first, so that no thread is left alone with one of them at the end.
  std::stable_sort(calls.begin(), calls.end(), [](const AttentionOperands& a, const AttentionOperands& b) {
    return a.inputs.queries.shape.length > b.inputs.queries.shape.length;
  });
  return calls;
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

absl::StatusOr<Job> BertEncoder::Plan(const PackedSequences& sequences, const EncoderAttention* attention,
                                      const Cancellation* cancellation, float* vectors) const {
  const EncoderAttention chosen = attention == nullptr ? EncoderAttention{this->attention(), nullptr} : *attention;
  if (sequences.num_tokens() == 0) return Job();
  const int64_t num_tokens = sequences.num_tokens();
  const TokenBlocks blocks = Blocks(num_tokens);
  auto batch = std::make_shared<Batch>(sequences, blocks, config_.hidden_size, vectors);
  auto inputs = PackedHeads::Allocate(num_tokens, 3 * config_.num_heads, head_dim());
  auto context = PackedHeads::Allocate(num_tokens, config_.num_heads, head_dim());
  for (const absl::Status& status : {batch->stream.Allocate(), inputs.status(), context.status()}) {
    if (!status.ok()) return status;
  }
  batch->queries_keys_values = *std::move(inputs);
  batch->context = *std::move(context);
  AppendPositions(sequences, &batch->positions);

  const std::vector<AttentionOperands> calls =
      OperandsOf(sequences, batch->queries_keys_values, batch->context, chosen.projection);
  const BlockStages per_block(blocks.num_blocks(), ScratchFloats(blocks.tiles_per_block()), cancellation);
  const auto stage = [this, batch](void (BertEncoder::*run)(const Layer&, Batch&, int64_t, float*) const,
                                   const Layer& layer) {
    return BlockStage{
        [this, batch, run, &layer](int64_t block, float* scratch) { (this->*run)(layer, *batch, block, scratch); }};
  };
  Job job;
  std::vector<BlockStage> stages = {
      {[this, batch](int64_t block, float* scratch) { EmbedTokens(*batch, block, scratch); }}};
  for (const Layer& layer : layers_) {
    stages.push_back(stage(&BertEncoder::ProjectInputs, layer));
    per_block.AppendTo(std::exchange(stages, {}), &job);
    absl::StatusOr<Job> planned = PlanAttention(chosen.spec, calls, cancellation, /*report=*/nullptr);
    if (!planned.ok()) return planned.status();
    std::move(planned->phases.begin(), planned->phases.end(), std::back_inserter(job.phases));
    stages.push_back(stage(&BertEncoder::AddAttention, layer));
    stages.push_back(stage(&BertEncoder::FeedForwardUp, layer));
    stages.push_back(stage(&BertEncoder::FeedForwardDown, layer));
  }
  stages.push_back({[this, batch](int64_t block, float* scratch) { StoreVectors(*batch, block, scratch); }});
  per_block.AppendTo(std::move(stages), &job);
  return job;
}

int64_t BertEncoder::ScratchBytes(absl::Span<const int64_t> lengths, const EncoderAttention* attention,
                                  int num_threads) const {
  const EncoderAttention chosen = attention == nullptr ? EncoderAttention{this->attention(), nullptr} : *attention;
  const std::vector<int64_t> offsets = OffsetsOf(lengths);
  const int64_t num_tokens = offsets.back();
  const PackedHeads inputs(num_tokens, 3 * config_.num_heads, head_dim());
  const PackedHeads context(num_tokens, config_.num_heads, head_dim());
  const std::vector<AttentionOperands> calls = OperandsOf({{}, offsets}, inputs, context, chosen.projection);
  const int64_t floats = BlockStream(Blocks(num_tokens), config_.hidden_size).MostFloats() + inputs.Floats() +
                         context.Floats() + num_threads * ScratchFloats(TokenBlocks::kMostTiles) +
                         2 * num_tokens;  // positions, in a vector that grows
  // What a layer's features are fitted with is there until the job ends.
  const bool keeps = chosen.spec.mode == AttentionMode::kFeatures && UsesStatistics(chosen.spec.features);
  const int64_t of_a_layer = AttentionScratchBytes(chosen.spec, calls, num_threads);
  return floats * static_cast<int64_t>(sizeof(float)) + of_a_layer * (keeps ? config_.num_layers : 1) +
         kPlanBytes * static_cast<int64_t>(lengths.size()) * config_.num_layers;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Encoder>> LoadBertEncoder(const BertConfig& config, Weights* weights) {
  auto encoder = std::make_shared<BertEncoder>(config, weights);
  if (!weights->status().ok()) return weights->status();
  return encoder;
}

}  // namespace favor
