#include "favor/model/performer_encoder.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "favor/kernels/elementwise.h"
#include "favor/kernels/tile.h"
#include "favor/model/block_stages.h"
#include "favor/model/performer_attention.h"
#include "favor/model/performer_batch.h"
#include "favor/model/performer_layer.h"
#include "favor/model/performer_positions.h"
#include "favor/model/token_shift.h"
#include "favor/model/token_vectors.h"
#include "favor/model/turn_planes.h"
#include "favor/model/word_table.h"

namespace favor {
namespace {

using kernels::Activation;
using kernels::kTile;

class PerformerEncoder : public Encoder {
 public:
  PerformerEncoder(const PerformerConfig& config, Weights* weights);

  int64_t dimensions() const override { return config_.dim; }
  int64_t vocabulary_size() const override { return config_.num_tokens; }
  int64_t max_tokens() const override { return config_.MaxTokens(); }
  int64_t num_parameters() const override { return num_parameters_; }
  int64_t memory_bytes() const override;
  int64_t head_dim() const override { return config_.head_dim; }
  AttentionSpec attention() const override { return PerformerAttentionSpec(config_); }
  absl::Status CheckAttention(const AttentionSpec&) const override {
    return absl::InvalidArgumentError("attention is set, but a Performer's own features define it");
  }
  absl::StatusOr<Job> Plan(const PackedSequences& sequences, const EncoderAttention* attention,
                           const Cancellation* cancellation, float* vectors) const override;
  int64_t ScratchBytes(absl::Span<const int64_t> lengths, const EncoderAttention* attention,
                       int num_threads) const override;
  absl::StatusOr<EncoderStateDescription> DescribeState() const override;
  absl::StatusOr<Job> PlanChunk(absl::Span<const int32_t> ids, const Cancellation* cancellation, float* vectors,
                                EncoderState* state) const override;
  int64_t ChunkScratchBytes(int64_t num_tokens, const EncoderState& state, int num_threads) const override;

 private:
  // A stage of a block that belongs to a layer.
  using LayerStage = void (PerformerEncoder::*)(const PerformerLayer&, PerformerBatch&, int64_t, float*) const;

  int64_t width() const { return config_.num_heads * config_.head_dim; }
  int64_t ScratchFloats(int64_t stream_rows, int64_t tiles_per_block) const;
  BlockStage StageOf(std::shared_ptr<PerformerBatch> batch, const PerformerLayer& layer, LayerStage run,
                     bool after_all_blocks) const;
  std::vector<BlockStage> InputStages(std::shared_ptr<PerformerBatch> batch, const PerformerLayer& layer) const;
  std::vector<BlockStage> OutputStages(std::shared_ptr<PerformerBatch> batch, const PerformerLayer& layer) const;

  void EmbedTokens(PerformerBatch& batch, int64_t block, float* scratch) const;
  void NormForAttention(const PerformerLayer& layer, PerformerBatch& batch, int64_t block, float* scratch) const;
  void ProjectInputs(const PerformerLayer& layer, PerformerBatch& batch, int64_t block, float* scratch) const;
  void AddAttention(const PerformerLayer& layer, PerformerBatch& batch, int64_t block, float* scratch) const;
  void NormForFeedForward(const PerformerLayer& layer, PerformerBatch& batch, int64_t block, float* scratch) const;
  void FeedForwardUp(const PerformerLayer& layer, PerformerBatch& batch, int64_t block, float* scratch) const;
  void FeedForwardDown(const PerformerLayer& layer, PerformerBatch& batch, int64_t block, float* scratch) const;
  void StoreVectors(PerformerBatch& batch, int64_t block, float* scratch) const;

  absl::StatusOr<Job> PlanBatch(std::shared_ptr<PerformerBatch> batch, const Cancellation* cancellation) const;
  int64_t BatchBytes(const PerformerBatch& batch, int num_threads) const;

  // Of models that shift tokens: what the next stage shifts.
  void NormTokens(const PerformerLayer& layer, Sublayer sublayer, PerformerBatch& batch, int64_t block) const;
  // What a sublayer reads: the norm of a stream's block, its tokens shifted when the model shifts them. `to` is
  // scratch.
  BlockTiles LayerInput(const PerformerLayer& layer, Sublayer sublayer, const PerformerBatch& batch, int64_t block,
                        const BlockTiles& to) const;
  void TurnHeads(const PerformerLayer& layer, const PerformerBatch& batch, int64_t block, const BlockTiles& projected,
                 float* scratch) const;

  PerformerConfig config_;
  WordTable words_;
  PerformerPositions positions_;
  std::vector<PerformerLayer> layers_;
  Norm last_norm_;
  int64_t num_parameters_ = 0;
};

PerformerEncoder::PerformerEncoder(const PerformerConfig& config, Weights* weights) : config_(config) {
  const std::string words = "token_emb.weight";
  if (!config.is_language_model) {
    const absl::Span<const int64_t> shape = weights->ShapeOf(words);
    config_.num_tokens = shape.empty() ? 0 : shape[0];
  }
  words_ = WordTable::Load(words, config_.num_tokens, config.dim, weights);
  positions_ = PerformerPositions::Read(config, weights);
  for (int64_t i = 0; i < config.depth && weights->status().ok(); ++i) {
    layers_.push_back(PerformerLayer::Read(config, i, weights));
  }
  if (const std::string next = PerformerLayer::Prefix(config, config.depth); weights->HasPrefix(next)) {
    weights->Fail(absl::StrCat("there are tensors ", next, "*, depth of config.json is ", config.depth));
  }
  if (config.is_language_model) last_norm_ = Norm::ReadLayerNorm("norm", config.dim, 1e-5, weights);
  num_parameters_ = weights->num_read();
}

int64_t PerformerEncoder::memory_bytes() const {
  int64_t bytes = words_.num_bytes() + positions_.num_bytes();
  for (const PerformerLayer& layer : layers_) bytes += layer.num_bytes();
  return bytes;
}

int64_t PerformerEncoder::ScratchFloats(int64_t stream_rows, int64_t tiles_per_block) const {
  const int64_t tile = tiles_per_block * kTile;
  const int64_t projected = kernels::PanelRowCount(3 * width()) + 2 * config_.head_dim;
  const int64_t inner = kernels::PanelRowCount(config_.inner_dim) * (config_.gated ? 2 : 1);
  return std::max((stream_rows + std::max(projected, inner)) * tile,
                  tile * width() + TokenVectorScratch(std::max(config_.dim, config_.head_dim)));
}

void PerformerEncoder::EmbedTokens(PerformerBatch& batch, int64_t block, float* scratch) const {
  const int64_t first = batch.blocks.First(block);
  const auto write_vector = [&](int64_t t, float* row) {
    words_.Read(batch.sequences.ids[first + t], row);
    positions_.AddTo(batch.rows.position_of_token[first + t], row);
  };
  LoadTokenVectors(batch.AttentionInput(block), config_.dim, write_vector, scratch);
  if (!config_.reversible) return;
  const BlockTiles copy = batch.FeedForwardInput(block);
  std::copy_n(batch.AttentionInput(block).data, copy.Floats(), copy.data);
}

// The norm in front of a sublayer, and the stream that it reads.
const Norm& NormOf(const PerformerLayer& layer, Sublayer sublayer) {
  return sublayer == Sublayer::kAttention ? layer.attention_norm : layer.feed_forward_norm;
}
BlockTiles StreamOf(const PerformerBatch& batch, Sublayer sublayer, int64_t block) {
  return sublayer == Sublayer::kAttention ? batch.AttentionInput(block) : batch.FeedForwardInput(block);
}

void PerformerEncoder::NormTokens(const PerformerLayer& layer, Sublayer sublayer, PerformerBatch& batch,
                                  int64_t block) const {
  NormOf(layer, sublayer).Apply(StreamOf(batch, sublayer, block), batch.Normed(block));
  if (batch.state == nullptr || block + 1 < batch.blocks.num_blocks()) return;
  KeepShifted(batch, config_.dim, block, batch.state->next_shifted(layer.index, sublayer));
}

BlockTiles PerformerEncoder::LayerInput(const PerformerLayer& layer, Sublayer sublayer, const PerformerBatch& batch,
                                        int64_t block, const BlockTiles& to) const {
  const Norm& norm = NormOf(layer, sublayer);
  const BlockTiles stream = StreamOf(batch, sublayer, block);
  if (config_.shifts_tokens) {
    const float* before = batch.state == nullptr ? nullptr : batch.state->shifted(layer.index, sublayer);
    ShiftTokens(batch, config_.causal, config_.dim, block, before, to);
    return to;
  }
  if (norm.is_none()) return stream;
  norm.Apply(stream, to);
  return to;
}

void PerformerEncoder::NormForAttention(const PerformerLayer& layer, PerformerBatch& batch, int64_t block,
                                        float*) const {
  NormTokens(layer, Sublayer::kAttention, batch, block);
}

void PerformerEncoder::ProjectInputs(const PerformerLayer& layer, PerformerBatch& batch, int64_t block,
                                     float* scratch) const {
  const BlockTiles normed{scratch, batch.stream_rows(), batch.blocks.Count(block)};
  const BlockTiles projected = normed.Next(layer.queries_keys_values.padded_rows());
  const BlockTiles input = LayerInput(layer, Sublayer::kAttention, batch, block, normed);
  layer.queries_keys_values.Apply(input, Activation::kNone, /*add=*/false, projected);
  TurnHeads(layer, batch, block, projected, projected.data + projected.Floats());
  batch.queries_keys_values.Store(batch.rows.row_of_token.data() + batch.blocks.First(block), projected);
}

void PerformerEncoder::TurnHeads(const PerformerLayer& layer, const PerformerBatch& batch, int64_t block,
                                 const BlockTiles& projected, float* scratch) const {
  const int64_t half = config_.head_dim / 2, num_global = config_.num_heads - layer.num_local_heads;
  float* sines = scratch;
  float* cosines = scratch + half * kTile;
  for (int64_t i = 0; i < projected.num_tiles(); ++i) {
    const int64_t* positions = batch.rows.position_of_token.data() + batch.blocks.First(block) + i * kTile;
    float* queries = projected.Tile(i);
    float* keys = queries + width() * kTile;
    if (positions_.IsRotary() && num_global > 0) {
      std::vector<float> row(config_.head_dim);
      for (int64_t t = 0; t < projected.Count(i); ++t) {
        positions_.Angles(positions[t], row.data(), row.data() + half);
        for (int64_t j = 0; j < half; ++j) {
          sines[j * kTile + t] = row[j];
          cosines[j * kTile + t] = row[half + j];
        }
      }
      for (float* tile : {queries, keys}) {
        TurnPlanes(tile, config_.head_dim, num_global, Planes::kOfNeighbours, cosines, sines);
      }
    }
    if (layer.num_local_heads == 0) continue;
    // The package counts a bidirectional window's queries from the end of its keys, one window too late.
    for (const auto& [tile, late] : {std::pair(queries, config_.causal ? 0 : config_.local_window), {keys, 0}}) {
      for (int64_t j = 0; j < half; ++j) {
        for (int64_t t = 0; t < projected.Count(i); ++t) {
          const double angle = static_cast<double>(positions[t] + late) * layer.local_frequencies[j];
          sines[j * kTile + t] = static_cast<float>(std::sin(angle));
          cosines[j * kTile + t] = static_cast<float>(std::cos(angle));
        }
      }
      TurnPlanes(tile + num_global * config_.head_dim * kTile, config_.head_dim, layer.num_local_heads,
                 Planes::kOfHalves, cosines, sines);
    }
  }
}

void PerformerEncoder::AddAttention(const PerformerLayer& layer, PerformerBatch& batch, int64_t block,
                                    float* scratch) const {
  const BlockTiles context{scratch, width(), batch.blocks.Count(block)};
  batch.context.Load(batch.rows.row_of_token.data() + batch.blocks.First(block), context,
                     context.data + context.Floats());
  layer.attention_output.Apply(context, Activation::kNone, /*add=*/true, batch.FeedForwardInput(block));
}

void PerformerEncoder::NormForFeedForward(const PerformerLayer& layer, PerformerBatch& batch, int64_t block,
                                          float*) const {
  NormTokens(layer, Sublayer::kFeedForward, batch, block);
}

void PerformerEncoder::FeedForwardUp(const PerformerLayer& layer, PerformerBatch& batch, int64_t block,
                                     float* scratch) const {
  const BlockTiles normed{scratch, batch.stream_rows(), batch.blocks.Count(block)};
  const BlockTiles inner = normed.Next(layer.up.padded_rows());
  const BlockTiles input = LayerInput(layer, Sublayer::kFeedForward, batch, block, normed);
  layer.up.Apply(input, config_.gated ? Activation::kNone : Activation::kGelu, /*add=*/false, inner);
  if (!config_.gated) return;
  const BlockTiles gate = inner.Next(layer.gate.padded_rows());
  layer.gate.Apply(input, Activation::kGelu, /*add=*/false, gate);
  kernels::MultiplyBy(gate.data, inner.Floats(), inner.data);
}

// Finds in `scratch` what FeedForwardUp left there.
void PerformerEncoder::FeedForwardDown(const PerformerLayer& layer, PerformerBatch& batch, int64_t block,
                                       float* scratch) const {
  const BlockTiles normed{scratch, batch.stream_rows(), batch.blocks.Count(block)};
  layer.down.Apply(normed.Next(layer.up.padded_rows()), Activation::kNone, /*add=*/true, batch.AttentionInput(block));
}

void PerformerEncoder::StoreVectors(PerformerBatch& batch, int64_t block, float* scratch) const {
  const BlockTiles stream = batch.AttentionInput(block);
  if (config_.reversible) kernels::AddTo(batch.FeedForwardInput(block).data, stream.Floats(), stream.data);
  last_norm_.Apply(stream, stream);
  StoreTokenVectors(stream, config_.dim, scratch, batch.vectors + batch.blocks.First(block) * config_.dim);
}

BlockStage PerformerEncoder::StageOf(std::shared_ptr<PerformerBatch> batch, const PerformerLayer& layer, LayerStage run,
                                     bool after_all_blocks) const {
  return {[this, batch, run, &layer](int64_t block, RowPart, float* scratch) {
            (this->*run)(layer, *batch, block, scratch);
          },
          after_all_blocks};
}

std::vector<BlockStage> PerformerEncoder::InputStages(std::shared_ptr<PerformerBatch> batch,
                                                      const PerformerLayer& layer) const {
  const auto stage = [&](LayerStage run, bool after_all_blocks) {
    return StageOf(batch, layer, run, after_all_blocks);
  };
  // Shifted tokens come from other blocks: their norms are there before, and are not overwritten until, all are read.
  const bool shifts = config_.shifts_tokens;
  std::vector<BlockStage> stages;
  if (shifts) stages.push_back(stage(&PerformerEncoder::NormForAttention, true));
  stages.push_back(stage(&PerformerEncoder::ProjectInputs, shifts));
  return stages;
}

std::vector<BlockStage> PerformerEncoder::OutputStages(std::shared_ptr<PerformerBatch> batch,
                                                       const PerformerLayer& layer) const {
  const auto stage = [&](LayerStage run, bool after_all_blocks) {
    return StageOf(batch, layer, run, after_all_blocks);
  };
  const bool shifts = config_.shifts_tokens;
  std::vector<BlockStage> stages = {stage(&PerformerEncoder::AddAttention, false)};
  if (shifts) stages.push_back(stage(&PerformerEncoder::NormForFeedForward, false));
  stages.push_back(stage(&PerformerEncoder::FeedForwardUp, shifts));
  stages.push_back(stage(&PerformerEncoder::FeedForwardDown, false));
  return stages;
}

absl::StatusOr<Job> PerformerEncoder::Plan(const PackedSequences& sequences, const EncoderAttention* attention,
                                           const Cancellation* cancellation, float* vectors) const {
  if (attention != nullptr) return CheckAttention(attention->spec);
  if (sequences.num_tokens() == 0) return Job();
  return PlanBatch(std::make_shared<PerformerBatch>(config_, sequences, vectors, /*state=*/nullptr), cancellation);
}

absl::StatusOr<Job> PerformerEncoder::PlanBatch(std::shared_ptr<PerformerBatch> batch,
                                                const Cancellation* cancellation) const {
  if (absl::Status status = batch->Allocate(config_); !status.ok()) return status;
  const absl::StatusOr<BlockStages> per_block = BlockStages::Create(
      batch->blocks, ScratchFloats(batch->stream_rows(), batch->blocks.tiles_per_block()), cancellation);
  if (!per_block.ok()) return per_block.status();
  Job job;
  std::vector<BlockStage> stages = {
      {[this, batch](int64_t block, RowPart, float* scratch) { EmbedTokens(*batch, block, scratch); }}};
  for (const PerformerLayer& layer : layers_) {
    Append(InputStages(batch, layer), &stages);
    per_block->AppendTo(std::exchange(stages, {}), &job);
    absl::StatusOr<Job> planned = PlanPerformerAttention(config_, layer, *batch, cancellation);
    if (!planned.ok()) return planned.status();
    std::move(planned->phases.begin(), planned->phases.end(), std::back_inserter(job.phases));
    Append(OutputStages(batch, layer), &stages);
  }
  stages.push_back({[this, batch](int64_t block, RowPart, float* scratch) { StoreVectors(*batch, block, scratch); }});
  per_block->AppendTo(std::move(stages), &job);
  return job;
}

int64_t PerformerEncoder::ScratchBytes(absl::Span<const int64_t> lengths, const EncoderAttention*,
                                       int num_threads) const {
  const std::vector<int64_t> offsets = OffsetsOf(lengths);
  return BatchBytes(PerformerBatch(config_, {{}, offsets}, nullptr, nullptr), num_threads);
}

int64_t PerformerEncoder::BatchBytes(const PerformerBatch& batch, int num_threads) const {
  const int64_t scratch = num_threads * ScratchFloats(batch.stream_rows(), TokenBlocks::kMostTiles);
  // A layer gives its attention's memory back before the next one takes its own.
  int64_t attention = 0;
  for (const PerformerLayer& layer : layers_) {
    attention = std::max(attention, PerformerAttentionBytes(config_, layer, batch, num_threads));
  }
  int64_t num_plans = static_cast<int64_t>(batch.rows.lengths.size());
  for (const int64_t length : batch.rows.lengths) num_plans += length / config_.local_window + 1;
  return (batch.Floats(config_) + scratch) * static_cast<int64_t>(sizeof(float)) +
         batch.blocks.num_tokens() * 4 *
             static_cast<int64_t>(sizeof(int64_t)) +  // rows and positions, in vectors that grow
         attention +
         kPlanBytes * num_plans * config_.depth;
}

absl::StatusOr<EncoderStateDescription> PerformerEncoder::DescribeState() const {
  EncoderStateDescription description;
  for (const PerformerLayer& layer : layers_) {
    absl::StatusOr<StateDescription> attention = DescribePerformerState(config_, layer);
    if (!attention.ok()) return attention.status();
    description.layers.push_back({*std::move(attention), layer.projection});
  }
  if (config_.shifts_tokens) description.shifted_dim = ShiftedDim(config_.dim);
  return description;
}

absl::StatusOr<Job> PerformerEncoder::PlanChunk(absl::Span<const int32_t> ids, const Cancellation* cancellation,
                                                float* vectors, EncoderState* state) const {
  if (!state->usable()) return absl::FailedPreconditionError("the state is not usable: a job on it has failed");
  if (absl::Status status = CheckChunk(ids, *state); !status.ok()) return status;
  if (ids.empty()) return Job();
  const auto offsets = std::make_shared<const std::vector<int64_t>>(OffsetsOf({static_cast<int64_t>(ids.size())}));
  state->Begin();
  auto batch = std::make_shared<PerformerBatch>(config_, PackedSequences{ids, *offsets}, vectors, state);
  absl::StatusOr<Job> job = PlanBatch(std::move(batch), cancellation);
  if (!job.ok()) return job;
  // Holds the offsets, too.
  job->phases.push_back({1, 1, [state, offsets, num_tokens = state->num_tokens() + offsets->back()](int64_t, int64_t) {
                           state->Commit(num_tokens);
                           return absl::OkStatus();
                         }});
  return job;
}

int64_t PerformerEncoder::ChunkScratchBytes(int64_t num_tokens, const EncoderState& state, int num_threads) const {
  const std::vector<int64_t> offsets = OffsetsOf({num_tokens});
  // Only sizes are looked at.
  auto* of_sizes = const_cast<EncoderState*>(&state);  // NOLINT
  return BatchBytes(PerformerBatch(config_, {{}, offsets}, nullptr, of_sizes), num_threads);
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Encoder>> LoadPerformerEncoder(const PerformerConfig& config, Weights* weights) {
  auto encoder = std::make_shared<PerformerEncoder>(config, weights);
  if (!weights->status().ok()) return weights->status();
  return encoder;
}

}  // namespace favor
