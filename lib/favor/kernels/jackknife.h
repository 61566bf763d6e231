#ifndef FAVOR_KERNELS_JACKKNIFE_H_
#define FAVOR_KERNELS_JACKKNIFE_H_

#include <cstdint>

namespace favor::kernels {

// What the two halves of the features contribute to the rows of a tile of kTile queries.
struct HalfContributions {
  const float* after_first;   // [kTile][stride]: numerators after the first half,
  const float* after_both;    // and after both
  const float* denominators;  // [2][kTile]: of each half
  int64_t stride;             // a multiple of kPad
};

// What is known of a row of the output without computing it exactly.
struct RowMoments {
  float variance = 0;  // squared and summed over the row
  float squared_norm = 0;
  float query_norm4 = 0;  // fourth power of the norm of the query, in any unit
};

// Variance and norm of moments[t] for t in [begin, end): of the output sums[t] / denominators[t], and as its variance
// the delete-one-half jackknife's, |o_1 - o_2|^2 / 4 with o_b = (sums[t] - n_b) / (denominators[t] - d_b) the output
// without half b. Numerators and denominators of the whole may hold more than the halves. Where a half is all but a
// millionth of the denominator, the output without it counts as 0; what is not finite, or has no denominator, is 0.
// Computed about the whole's output: relative error some 1e-3 where the variance is above 1e-10 of |output|^2, which is
// what a proposal for sampling needs.
void JackknifeMoments(const HalfContributions& halves, const float* sums, const float* denominators, int64_t begin,
                      int64_t end, RowMoments* moments);

}  // namespace favor::kernels

#endif  // FAVOR_KERNELS_JACKKNIFE_H_
