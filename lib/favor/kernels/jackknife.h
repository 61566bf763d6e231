#ifndef FAVOR_KERNELS_JACKKNIFE_H_
#define FAVOR_KERNELS_JACKKNIFE_H_

#include <cstdint>

namespace favor::kernels {

constexpr int64_t kMaxJackknifeBlocks = 8;

// What blocks of features contribute to the rows of a tile of kTile queries.
struct BlockContributions {
  int64_t num_blocks;         // up to kMaxJackknifeBlocks
  const float* sums;          // [num_blocks][kTile][stride]: numerators after this block and those before it
  const float* denominators;  // [num_blocks][kTile]: of this block alone
  int64_t stride;             // a multiple of kPad
};

// What is known of a row of the output without computing it exactly.
struct RowMoments {
  float variance = 0;  // squared and summed over the row
  float squared_norm = 0;
  float query_norm4 = 0;  // fourth power of the norm of the query, in any unit
};

// Variance and norm of moments[t] for t in [begin, end): of the output sums[t] / denominators[t], and as its variance
// the delete-one-block jackknife's, (B - 1) / B sum_b |o_b - mean of o_b|^2 with o_b = (sums[t] - n_b) /
// (denominators[t] - d_b) the output without block b of B. Numerators and denominators of the whole may hold more than
// the blocks. Where a block is all but a millionth of the denominator, the output without it counts as 0; what is not
// finite, or has no denominator, is 0. Computed about the whole's output: relative error some 1e-3 where the variance
// is above 1e-10 of |output|^2, which is what a proposal for sampling needs.
void JackknifeMoments(const BlockContributions& blocks, const float* sums, const float* denominators, int64_t begin,
                      int64_t end, RowMoments* moments);

}  // namespace favor::kernels

#endif  // FAVOR_KERNELS_JACKKNIFE_H_
