#ifndef FAVOR_MODEL_TRANSFORMER_ENCODER_H_
#define FAVOR_MODEL_TRANSFORMER_ENCODER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "favor/attention/relative_bias.h"
#include "favor/model/block_stages.h"
#include "favor/model/block_stream.h"
#include "favor/model/encoder.h"
#include "favor/model/packed_heads.h"
#include "favor/model/row_part.h"
#include "favor/model/token_blocks.h"
#include "favor/model/transformer_sizes.h"

namespace favor {

// An encoder (Vaswani et al. 2017) without what one architecture does otherwise than another: self-attention in every
// layer, bidirectional or causal, exact or by features on request, and stages before and behind it that look at one
// token at a time. Its batch, its plan and their memory.
class TransformerEncoder : public Encoder {
 public:
  int64_t dimensions() const override { return sizes_.hidden_size; }
  int64_t vocabulary_size() const override { return sizes_.vocabulary_size; }
  int64_t max_tokens() const override { return sizes_.max_tokens; }
  int64_t head_dim() const override { return sizes_.head_dim; }
  AttentionSpec attention() const override;
  absl::Status CheckAttention(const AttentionSpec& spec) const override;
  absl::StatusOr<Job> Plan(const PackedSequences& sequences, const EncoderAttention* attention,
                           const Cancellation* cancellation, float* vectors) const override;
  int64_t ScratchBytes(absl::Span<const int64_t> lengths, const EncoderAttention* attention,
                       int num_threads) const override;
  absl::StatusOr<EncoderStateDescription> DescribeState() const override;

 protected:
  // What one call computes on. A token's row of attention is its number.
  struct Batch {
    PackedSequences sequences;
    TokenBlocks blocks;
    float* vectors;
    std::vector<int32_t> positions;   // of each token
    BlockStream stream;               // between layers
    BlockStream angles;               // what a token's place makes of it in every layer
    PackedHeads queries_keys_values;  // num_input_heads()
    PackedHeads context;              // num_heads
  };

  explicit TransformerEncoder(TransformerSizes sizes) : sizes_(std::move(sizes)) {}

  const TransformerSizes& sizes() const { return sizes_; }

  // Floats that a chain of stages needs beside the batch's own buffers; TokenVectorScratch(hidden_size) at least.
  virtual int64_t ScratchFloats(int64_t tiles_per_block) const = 0;
  // Rows of a tile of Batch::angles.
  virtual int64_t num_angles() const { return 0; }
  // What is added to the scores of all layers; null: nothing.
  virtual const RelativeBias* bias() const { return nullptr; }
  // Of each token where it stands in its sequence.
  virtual void AppendPositions(const PackedSequences& sequences, std::vector<int32_t>* positions) const;

  // Stages of a block, in their order. The first fills the stream, those of each layer go on from it and from what the
  // one before left in `scratch`. Those of `rows` multiply, and write no others than the rows of their part, of which
  // each has its own.
  virtual void EmbedTokens(Batch& batch, int64_t block, float* scratch) const = 0;

  virtual void NormInputs(int64_t /*layer*/, Batch& /*batch*/, int64_t /*block*/, float* /*scratch*/) const {}
  virtual void ProjectInputs(int64_t layer, Batch& batch, int64_t block, RowPart rows, float* scratch) const = 0;
  // To queries_keys_values, of which attention makes the context.
  virtual void StoreInputs(int64_t layer, Batch& batch, int64_t block, float* scratch) const = 0;

  void LoadContext(int64_t layer, Batch& batch, int64_t block, float* scratch) const;
  virtual void AddAttention(int64_t layer, Batch& batch, int64_t block, RowPart rows, float* scratch) const = 0;
  virtual void NormAttention(int64_t layer, Batch& batch, int64_t block, float* scratch) const = 0;
  virtual void FeedForwardUp(int64_t layer, Batch& batch, int64_t block, RowPart rows, float* scratch) const = 0;
  virtual void FeedForwardDown(int64_t layer, Batch& batch, int64_t block, RowPart rows, float* scratch) const = 0;
  virtual void NormOutputs(int64_t /*layer*/, Batch& /*batch*/, int64_t /*block*/, float* /*scratch*/) const {}

  virtual void StoreVectors(Batch& batch, int64_t block, float* scratch) const;

  // What LoadContext leaves.
  BlockTiles Context(const Batch& batch, int64_t block, float* scratch) const {
    return {scratch, sizes_.width(), batch.blocks.Count(block)};
  }

 private:
  using BatchPointer = std::shared_ptr<Batch>;
  using WholeStage = void (TransformerEncoder::*)(int64_t, Batch&, int64_t, float*) const;
  using RowsStage = void (TransformerEncoder::*)(int64_t, Batch&, int64_t, RowPart, float*) const;

  BlockStage Whole(WholeStage run, int64_t layer, BatchPointer batch) const;
  BlockStage ByRows(RowsStage run, int64_t layer, BatchPointer batch) const;
  std::vector<BlockStage> StagesBeforeAttention(int64_t layer, const BatchPointer& batch) const;
  std::vector<BlockStage> StagesBehindAttention(int64_t layer, const BatchPointer& batch) const;
  TokenBlocks Blocks(int64_t num_tokens) const {
    return TokenBlocks(num_tokens, 2 * sizes_.hidden_size * sizes_.intermediate_size, TokenBlocks::Few::kByRows);
  }
  // Sizes alone, without memory.
  Batch MakeBatch(const PackedSequences& sequences, float* vectors) const;
  absl::Status Allocate(Batch* batch) const;
  // The attention of one layer.
  EncoderAttention AttentionOf(bool is_local, const EncoderAttention& chosen) const;
  std::vector<AttentionOperands> OperandsOf(const Batch& batch, const EncoderAttention& attention) const;
  int64_t AttentionBytes(const Batch& batch, const EncoderAttention& chosen, int num_threads) const;

  TransformerSizes sizes_;
};

}  // namespace favor

#endif  // FAVOR_MODEL_TRANSFORMER_ENCODER_H_
