#ifndef FAVOR_KERNELS_NORMALISE_H_
#define FAVOR_KERNELS_NORMALISE_H_

#include <cstdint>

namespace favor::kernels {

// Normalisations of the tokens of a tile x [dim][kTile]; y may be x. Of a token with values x_l, l < dim:
//
//   LayerNorm   y_l = gain_l (x_l - mean) / sqrt(variance + epsilon) + bias_l, the variance that of a population
//   RmsNorm     y_l = gain_l x_l / sqrt(mean of x_l^2 + epsilon)
//   ScaleNorm   y_l = gain x_l / max(|x|, epsilon)
//
// Sums are float32, in the order of l: relative error of a normalised value at most dim * 2^-23 times the condition of
// the difference from the mean. RmsNorm has no difference: at most (dim / 16 + 4) * 2^-23.
void LayerNorm(const float* x, int64_t dim, const float* gain, const float* bias, float epsilon, float* y);
void RmsNorm(const float* x, int64_t dim, const float* gain, float epsilon, float* y);
void ScaleNorm(const float* x, int64_t dim, float gain, float epsilon, float* y);

}  // namespace favor::kernels

#endif  // FAVOR_KERNELS_NORMALISE_H_
