#ifndef FAVOR_KERNELS_TRANSFORM_H_
#define FAVOR_KERNELS_TRANSFORM_H_

#include <cstdint>

namespace favor::kernels {

// What inputs go through between their tensors and a projection, beside products.

// rows[t][l] <- (rows[t][l] - shift[l]) factors[l] for t < count, l < Padded(dim); null: no shift, no factors. Rows are
// `stride` floats; shift and factors have Padded(dim).
void ShiftScaleRows(float* rows, int64_t count, int64_t stride, int64_t dim, const float* shift, const float* factors);

// Brings values to +-kMaxMagnitude; `count` is a multiple of kPad.
void ClampValues(float* values, int64_t count);

// norms[t] = sum_l weights[l] tile[l][t]^2, tile [dim][width].
void WeightedSquaredNorms(const float* tile, const float* weights, int64_t dim, int64_t width, float* norms);

// tile[r][t] *= factors[r], tile [rows][kTile].
void ScaleTileRows(float* tile, int64_t rows, const float* factors);

// The second row of each pair of antithetic ones: negated[r][t] = -tile[r][t], both [rows][kTile].
void NegateRows(const float* tile, int64_t rows, float* negated);

}  // namespace favor::kernels

#endif  // FAVOR_KERNELS_TRANSFORM_H_
