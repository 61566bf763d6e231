#ifndef FAVOR_KERNELS_MATMUL_H_
#define FAVOR_KERNELS_MATMUL_H_

#include <cstdint>

#include "favor/kernels/panels.h"

namespace favor::kernels {

// The left factor of a product: element (i, k) is data[i * row_stride + k * depth_stride], and one of the two strides
// is 1.
struct LeftFactor {
  const float* data;
  int64_t row_stride;
  int64_t depth_stride;
};

// The right factor or the result: rows of `stride` floats.
struct RowMajor {
  const float* data;
  int64_t stride;
};

// C[i][n] = sum_k A(i, k) B[k][n] for i < rows, k < depth, n < cols; with `accumulate`, C[i][n] += it.
// Read (A = transposed query features) and scores. cols is a multiple of kPad; a row of B or C is read and written
// whole up to cols. float32, one multiply-add per k, fused where the target has that, in ascending order for every
// element, so a result does not depend on how rows are grouped. Error of an element: at most depth * 2^-24 * sum_k
// |A(i, k) B[k][n]|.
void MatMul(const LeftFactor& a, const RowMajor& b, float* c, int64_t c_stride, int64_t rows, int64_t depth,
            int64_t cols, bool accumulate);

// sums[i][n] += sum_k A(i, k) B[k][n] with Kahan compensation (sums - compensation is the compensated value):
// without it float32 sums over 10 million tokens drift by 1e-3. a.depth_stride is 1. One compensated step per call and
// element.
void CompensatedMatMul(const LeftFactor& a, const RowMajor& b, float* sums, float* compensation, int64_t c_stride,
                       int64_t rows, int64_t depth, int64_t cols);

// u[r][t] = first[t] + sum_k w(r, k) x[k][t] for t < cols, a multiple of kPad; first null: 0. x is a tile
// [depth][stride], u [PanelRowCount(rows)][stride]: rows past the last are written too. One fused multiply-add per k in
// ascending order, as in MatMul.
void Project(const Panels& w, const float* x, int64_t stride, int64_t cols, const float* first, float* u);

}  // namespace favor::kernels

#endif  // FAVOR_KERNELS_MATMUL_H_
