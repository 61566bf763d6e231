#ifndef FAVOR_KERNELS_ANCHORS_H_
#define FAVOR_KERNELS_ANCHORS_H_

#include <cstdint>

namespace favor::kernels {

// What first-order softmax about anchors needs beside products.

// out[r][t] = rows[r][t] factors[t] for r < count, t < cols, a multiple of kPad; rows and out are `stride` floats
// apart.
void MultiplyRows(const float* rows, int64_t count, int64_t stride, int64_t cols, const float* factors, float* out);

// nearest[t] = the r that maximises scores[r][t] - offsets[r], the first of equals, for r < count, t < cols, a multiple
// of kPad; scores are `stride` floats apart. NaN is never the larger.
void NearestRows(const float* scores, int64_t count, int64_t stride, int64_t cols, const float* offsets,
                 int32_t* nearest);

// norms[t] = sum over l < stride of rows[t][l]^2, t < count; stride is a multiple of kPad.
void RowSquaredNorms(const float* rows, int64_t count, int64_t stride, float* norms);

// distances[t] = sum_l (tile[l][t] - centre[l])^2 for t < width, a multiple of kPad; tile is [dim][width].
void SquaredDistances(const float* tile, int64_t dim, int64_t width, const float* centre, float* distances);

// sums[n] = (sums[n] - compensation[n]) / weight - a means[n] for n < cols, a multiple of kPad: a covariance from the
// compensated sums of products, where `a` is the mean of one factor and means[n] that of the other.
void CovarianceRow(const float* compensation, int64_t cols, float weight, float a, const float* means, float* sums);

}  // namespace favor::kernels

#endif  // FAVOR_KERNELS_ANCHORS_H_
