#include "favor/model/token_shift.h"

#include <algorithm>

#include "favor/kernels/tile.h"

namespace favor {
namespace {

using kernels::kTile;

// Channel `row` of a token of the batch, in its block's tile.
const float* Channel(const PerformerBatch& batch, int64_t token, int64_t row) {
  const int64_t block = token / batch.blocks.width(), in_block = token % batch.blocks.width();
  return batch.Normed(block).Tile(in_block / kTile) + row * kTile + in_block % kTile;
}

bool SameSequence(const PerformerBatch& batch, int64_t token, int64_t other) {
  if (other < 0 || other >= batch.blocks.num_tokens()) return false;
  return batch.rows.position_of_token[other] - batch.rows.position_of_token[token] == other - token;
}

// Channels [begin, end) of a tile from the tokens `distance` behind in the sequence (-1: ahead). `before`: those of the
// token in front of the batch.
void ShiftChannels(const PerformerBatch& batch, int64_t first_token, int64_t count, int64_t begin, int64_t end,
                   int64_t distance, const float* before, float* tile) {
  for (int64_t t = 0; t < count; ++t) {
    const int64_t token = first_token + t, from = token - distance;
    const bool exists = SameSequence(batch, token, from);
    const float* source = exists ? Channel(batch, from, begin) : from < 0 ? before : nullptr;
    const int64_t stride = exists ? kTile : 1;
    for (int64_t row = begin; row < end; ++row) {
      tile[row * kTile + t] = source != nullptr ? source[(row - begin) * stride] : 0.0f;
    }
  }
}

}  // namespace

void ShiftTokens(const PerformerBatch& batch, bool causal, int64_t dim, int64_t block, const float* before,
                 const BlockTiles& to) {
  const int64_t num_parts = causal ? 2 : 3, part = dim / num_parts;
  for (int64_t i = 0; i < to.num_tiles(); ++i) {
    const int64_t first_token = batch.blocks.First(block) + i * kTile;
    float* tile = to.Tile(i);
    std::copy_n(batch.Normed(block).Tile(i), dim * kTile, tile);
    if (!causal) ShiftChannels(batch, first_token, to.Count(i), 0, part, -1, nullptr, tile);
    ShiftChannels(batch, first_token, to.Count(i), (num_parts - 1) * part, num_parts * part, 1, before, tile);
  }
}

void KeepShifted(const PerformerBatch& batch, int64_t dim, int64_t block, float* kept) {
  const int64_t part = ShiftedDim(dim), last = batch.blocks.First(block) + batch.blocks.Count(block) - 1;
  const float* source = Channel(batch, last, part);
  for (int64_t l = 0; l < part; ++l) kept[l] = source[l * kTile];
}

}  // namespace favor
