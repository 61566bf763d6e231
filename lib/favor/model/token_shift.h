#ifndef FAVOR_MODEL_TOKEN_SHIFT_H_
#define FAVOR_MODEL_TOKEN_SHIFT_H_

#include <cstdint>

#include "favor/model/performer_batch.h"
#include "favor/model/token_blocks.h"

namespace favor {

// What performer-pytorch calls shift_tokens: parts of a token's channels come from its neighbours in the sequence,
// zeros where there is none. Of 3 parts the first comes from the next token, the second is the token's own, the third
// comes from the token before; causal models have 2, the token's own and the one from before. Channels that are left
// over are the token's own. Reads batch.Normed of the block and its neighbours; `to` has dim rows or more. `before` are
// the channels that the batch's first token takes from the one before it, [ShiftedDim(dim)]; null: zeros.
void ShiftTokens(const PerformerBatch& batch, bool causal, int64_t dim, int64_t block, const float* before,
                 const BlockTiles& to);

// Channels that a token of a causal model takes from the one before it.
constexpr int64_t ShiftedDim(int64_t dim) { return dim / 2; }

// Copies the channels that the next token takes from the last one of a block.
void KeepShifted(const PerformerBatch& batch, int64_t dim, int64_t block, float* kept);

}  // namespace favor

#endif  // FAVOR_MODEL_TOKEN_SHIFT_H_
