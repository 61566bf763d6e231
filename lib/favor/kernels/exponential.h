#ifndef FAVOR_KERNELS_EXPONENTIAL_H_
#define FAVOR_KERNELS_EXPONENTIAL_H_

#include <cstdint>

namespace favor::kernels {

// The general passes over tiles of log-features; fused_weights.h has the shortcut for the common case.
//
// Log-features are in base 2 and split as u = i + f with i = round(u): a weight is 2^f * 2^(i - maximum) with whole
// maxima, so the maximum only shifts an exponent. Weights of exponent -126 or less are 0. Tiles are [rows][width],
// width a multiple of kTile; where no width is given it is kTile. Relative error of a weight: 1.3e-7 + 2^-24 |u|.

// u[r][t] <- 2^(u[r][t] + fraction[t] + whole[t] - maxima[r]), maxima as whole floats.
// excess[t] <- max_r of the exponent that was formed: above kMaxRise the maxima are too low for token t and the tile's
// weights are not to be used. fraction and whole are the token's own exponent (minus |x|^2/2 in base 2, say), split so
// that no precision is lost in a large norm. A token with whole = kNoExponent weighs 0 and has no excess.
void KeyWeights(float* u, int64_t rows, int64_t stride, int64_t cols, const float* fraction, const float* whole,
                const float* maxima, float* excess);

// maxima[r] <- max(maxima[r], max over t in [begin, end) of the exponent of u[r][t]) where that exceeds maxima[r] by
// more than `rise`; shift[r] <- the exponent by which sums of row r must be scaled (0 where nothing changed).
void RaiseMaxima(const float* u, int64_t rows, int64_t stride, int64_t begin, int64_t end, const float* fraction,
                 const float* whole, float rise, float* maxima, float* shift);

// p[r][t] = 2^(u[r][t] + maxima[r] - reference[t]), written over u; denominator[t] = sum_r p[r][t] key_sums[r].
// reference[t] is kept where it comes in as a good guess (fused_weights.h), and else becomes the maximum over r.
void QueryWeights(float* u, int64_t rows, const float* maxima, const float* key_sums, bool guessed, float* reference,
                  float* denominator);

// The published implementations' query features: f[r][t] = 2^(u[r][t] - offset[t]) + epsilon[t] (the power only if
// `exponential`, else u itself), total[t] = sum_r f; then p[r][t] = f[r][t] row_factor[r], written over u, and
// denominator[t] = sum_r p[r][t] key_sums[r].
void StabilisedQueryWeights(float* u, int64_t rows, bool exponential, const float* offset, const float* epsilon,
                            const float* row_factor, const float* key_sums, float* denominator, float* total);

// maximum[t] <- max(maximum[t], max_r u[r][t]).
void ColumnMaxima(const float* u, int64_t rows, float* maximum);

}  // namespace favor::kernels

#endif  // FAVOR_KERNELS_EXPONENTIAL_H_
