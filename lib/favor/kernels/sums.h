#ifndef FAVOR_KERNELS_SUMS_H_
#define FAVOR_KERNELS_SUMS_H_

#include <cstdint>

namespace favor::kernels {

// Running sums with Kahan compensation: sums - compensation is the compensated value. Every call makes one compensated
// step per element; inside a call sums are plain float32.

// sums[i] += addends[i] for i < count.
void AddCompensated(const float* addends, int64_t count, float* sums, float* compensation);

// Adds `count` compensated sums to others: the two compensations are joined first, so nothing of either is lost.
void AppendCompensated(const float* addends, const float* addend_compensation, int64_t count, float* sums,
                       float* compensation);

// sums[r] += sum over t in [begin, end) of weights[r][t]; weights is [rows][width].
void AddRowSums(const float* weights, int64_t rows, int64_t width, int64_t begin, int64_t end, float* sums,
                float* compensation);

// sums[n] += sum over t < count of rows[t][n], n < stride; stride is a multiple of kPad.
void AddColumnSums(const float* rows, int64_t count, int64_t stride, float* sums, float* compensation);

// sums[t][n] += rows[t][n] 2^exponents[t] for whole exponents; 2^-127 and less is 0. Rows are `stride` floats, a
// multiple of kPad.
void AddScaledRows(const float* rows, int64_t count, int64_t stride, const float* exponents, float* sums);

// sums[i] <- sums[i] 2^exponent + other_sums[i] 2^other_exponent for i < count, compensated both, for rows of padded
// length. The same bits when the two are exchanged. Whole exponents, 0 at most; 2^-127 and less is 0.
void MergeCompensated(const float* other_sums, const float* other_compensation, int64_t count, float other_exponent,
                      float* sums, float* compensation, float exponent);

// row[0..count) *= 2^exponent, for rows of padded length; 2^-127 and less is 0.
void ScaleRow(float* row, int64_t count, float exponent);

}  // namespace favor::kernels

#endif  // FAVOR_KERNELS_SUMS_H_
