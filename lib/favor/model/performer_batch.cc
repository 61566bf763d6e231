#include "favor/model/performer_batch.h"

#include <algorithm>
#include <utility>

namespace favor {

PerformerRows::PerformerRows(const PerformerConfig& config, absl::Span<const int64_t> offsets, int64_t first_position) {
  const bool pads = !config.causal && std::any_of(config.local_heads.begin(), config.local_heads.end(),
                                                  [](int64_t heads) { return heads > 0; });
  const int64_t grain = pads ? config.local_window : 1;
  for (size_t s = 0; s + 1 < offsets.size(); ++s) {
    const int64_t length = offsets[s + 1] - offsets[s];
    first_rows.push_back(num_rows);
    lengths.push_back(length);
    padded_lengths.push_back((length + grain - 1) / grain * grain);
    for (int64_t t = 0; t < length; ++t) {
      row_of_token.push_back(num_rows + t);
      position_of_token.push_back(first_position + t);
    }
    num_rows += padded_lengths.back();
  }
}

TokenBlocks PerformerBatch::Blocks(const PerformerConfig& config, int64_t num_tokens) {
  return TokenBlocks(num_tokens, 2 * config.dim * std::max(config.inner_dim, 3 * config.num_heads * config.head_dim),
                     TokenBlocks::Few::kInSmallBlocks);
}

PerformerBatch::PerformerBatch(const PerformerConfig& config, const PackedSequences& sequences, float* vectors,
                               EncoderState* state)
    : sequences(sequences),
      rows(config, sequences.offsets, state == nullptr ? 0 : state->num_tokens()),
      blocks(Blocks(config, sequences.offsets.back())),
      vectors(vectors),
      state(state),
      normed(blocks, config.dim),
      queries_keys_values(rows.num_rows, 3 * config.num_heads, config.head_dim),
      context(rows.num_rows, config.num_heads, config.head_dim) {
  for (int i = 0; i < (config.reversible ? 2 : 1); ++i) streams.emplace_back(blocks, config.dim);
}

int64_t PerformerBatch::Floats(const PerformerConfig& config) const {
  const int64_t num_buffers = static_cast<int64_t>(streams.size()) + (config.shifts_tokens ? 1 : 0);
  return num_buffers * normed.MostFloats() + queries_keys_values.Floats() + context.Floats();
}

absl::Status PerformerBatch::Allocate(const PerformerConfig& config) {
  for (BlockStream& stream : streams) {
    if (absl::Status status = stream.Allocate(); !status.ok()) return status;
  }
  if (config.shifts_tokens) {
    if (absl::Status status = normed.Allocate(); !status.ok()) return status;
  }
  for (const auto& [heads, num_heads] :
       {std::pair(&queries_keys_values, 3 * config.num_heads), std::pair(&context, config.num_heads)}) {
    absl::StatusOr<PackedHeads> memory = PackedHeads::Allocate(rows.num_rows, num_heads, config.head_dim);
    if (!memory.ok()) return memory.status();
    *heads = *std::move(memory);
  }
  for (size_t s = 0; s < rows.lengths.size(); ++s) {
    queries_keys_values.ZeroRows(rows.first_rows[s] + rows.lengths[s], rows.padded_lengths[s] - rows.lengths[s]);
  }
  return absl::OkStatus();
}

}  // namespace favor
