#ifndef FAVOR_MODEL_PERFORMER_BATCH_H_
#define FAVOR_MODEL_PERFORMER_BATCH_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "favor/model/block_stream.h"
#include "favor/model/encoder.h"
#include "favor/model/encoder_state.h"
#include "favor/model/packed_heads.h"
#include "favor/model/performer_config.h"
#include "favor/model/token_blocks.h"

namespace favor {

// Where the tokens of a batch stand: in their sequences, and in the rows that attention reads. With local heads a
// bidirectional model has rows of zeros behind each sequence, which fill its last window up.
struct PerformerRows {
  // first_position: of a sequence's first token here.
  PerformerRows(const PerformerConfig& config, absl::Span<const int64_t> offsets, int64_t first_position);

  std::vector<int64_t> first_rows;      // of each sequence
  std::vector<int64_t> lengths;         // of each sequence
  std::vector<int64_t> padded_lengths;  // of each sequence
  std::vector<int64_t> row_of_token;
  std::vector<int64_t> position_of_token;
  int64_t num_rows = 0;
};

// What one call of a Performer computes on.
struct PerformerBatch {
  // Sizes alone, without memory. `state`: that of the one sequence, whose next tokens these are; null: sequences are
  // whole.
  PerformerBatch(const PerformerConfig& config, const PackedSequences& sequences, float* vectors, EncoderState* state);
  // ResourceExhaustedError when there is no memory.
  absl::Status Allocate(const PerformerConfig& config);
  // Floats that Allocate() takes, at most; subadditive in the sequences.
  int64_t Floats(const PerformerConfig& config) const;

  static TokenBlocks Blocks(const PerformerConfig& config, int64_t num_tokens);

  // The residual stream that attention reads and feed-forward adds to, and the one that feed-forward reads and
  // attention adds to: two in a reversible model, else the same.
  BlockTiles AttentionInput(int64_t block) const { return streams.back().Block(block); }
  BlockTiles FeedForwardInput(int64_t block) const { return streams.front().Block(block); }
  // What the stages between two barriers share when tokens are shifted: the stream's tokens behind their norm.
  BlockTiles Normed(int64_t block) const { return normed.Block(block); }
  // Of a tile of any of these.
  int64_t stream_rows() const { return normed.rows(); }

  PackedSequences sequences;
  PerformerRows rows;
  TokenBlocks blocks;
  float* vectors;
  EncoderState* state;
  std::vector<BlockStream> streams;
  BlockStream normed;               // has memory in models that shift tokens
  PackedHeads queries_keys_values;  // 3 num_heads, of rows.num_rows rows
  PackedHeads context;              // num_heads
};

}  // namespace favor

#endif  // FAVOR_MODEL_PERFORMER_BATCH_H_
