#ifndef FAVOR_KERNELS_TILE_H_
#define FAVOR_KERNELS_TILE_H_

#include <cstdint>

namespace favor::kernels {

// Tokens of one tile. Tokens lie in the SIMD lanes: a tile of features is stored [num_features][kTile], so the same
// layout serves projection, fold, read and the causal block without a transposition. 48 is three AVX-512 registers or
// six AVX2 ones, which with six rows of a product make 18 or three times 12 accumulators (register_block-inl.h). The
// same on every CPU target, so that the blocks of a causal call are too.
constexpr int64_t kTile = 48;

// Tokens of a tile that is only folded: three times as many, so that the state, which a fold reads and writes whole,
// moves through the caches a third as often.
constexpr int64_t kFoldTile = 3 * kTile;

// Row lengths of value tiles and sums are padded to this many floats, the widest register served.
constexpr int64_t kPad = 16;

constexpr int64_t Padded(int64_t dim) { return (dim + kPad - 1) / kPad * kPad; }

// Stands for minus infinity in exponents: far below any exponent of a finite input, and finite, so that differences of
// two of them are 0 and not NaN.
constexpr float kNoExponent = -1e30f;
// Exponent of a masked score: below kNoExponent, so that a fully masked row keeps no weight.
constexpr float kMaskedExponent = -2e30f;

// Running maxima are raised only when a new exponent exceeds them by more than this many powers of two. Until then
// weights are at most 2^(kMaxRise + 1): sums over 2^40 tokens stay far inside float32.
constexpr float kMaxRise = 30.0f;

}  // namespace favor::kernels

#endif  // FAVOR_KERNELS_TILE_H_
