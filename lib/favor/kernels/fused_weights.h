#ifndef FAVOR_KERNELS_FUSED_WEIGHTS_H_
#define FAVOR_KERNELS_FUSED_WEIGHTS_H_

#include <cstdint>

#include "favor/kernels/projector.h"

namespace favor::kernels {

// Products whose results become weights while they are still in registers: what MatMul and then a pass of
// exponential.h compute, bit for bit, for the common case. Each answers false where an exponent is out of the range in
// which that shortcut holds (a loud key, a maximum that has to be raised, a number beyond 2^20); results are then not
// to be used and the general passes take over.
//
// The left factor is a projector, the right one a tile [depth][stride] of which the first `cols` columns, a multiple of
// kPad, are used. Weights are [w.padded_rows()][stride]; rows past the last are of no use.
// Relative error of a weight: 1.3e-7 + 2^-24 |u|, u the exponent.

// weights[r][t] = 2^(fraction[t] + w_r.x[t] + whole[t] - maxima[r]); row_sums[r] = sum over t < cols.
// Rows without a maximum, kNoExponent, take the exponent of their first weight for one, so that the sum of the row is
// 2^-1/2 at least; where false is answered they may have taken it too.
// False when an exponent exceeds kMaxRise.
bool ProjectKeyWeights(const Projector& w, const float* x, int64_t stride, int64_t cols, const float* fraction,
                       const float* whole, float* maxima, float* weights, float* row_sums);

// A query's weights are kept relative to a guess of their maximum over r, so that one pass does. The guess is good when
// the maximum lies in [guess + kGuessTooHigh, guess + kGuessTooLow]: nothing overflows, and what underflows is below
// 2^-67 of the maximum.
constexpr float kGuessTooHigh = -58;
constexpr float kGuessTooLow = 2;

// guess[t] = max over r of maxima[r], plus 2.5 standard deviations of w.x[t] for normal w, plus 14: high rather than
// low, since numerators must not overflow where the outputs do not. A whole number.
void GuessQueryMaxima(const float* x, int64_t depth, int64_t stride, int64_t cols, const float* maxima, int64_t rows,
                      float* guess);

// weights[r][t] = 2^(w_r.x[t] + maxima[r] - guess[t]); denominators[t] = sum_r weights[r][t] key_sums[r].
// False when a guess is not good.
bool ProjectQueryWeights(const Projector& w, const float* x, int64_t stride, int64_t cols, const float* maxima,
                         const float* key_sums, const float* guess, float* weights, float* denominators);

}  // namespace favor::kernels

#endif  // FAVOR_KERNELS_FUSED_WEIGHTS_H_
