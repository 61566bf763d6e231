#ifndef FAVOR_TESTS_BENCHMARKS_WHOLE_MATRIX_FAVOR_H_
#define FAVOR_TESTS_BENCHMARKS_WHOLE_MATRIX_FAVOR_H_

#include <cstdint>

namespace favor {

// Bidirectional FAVOR+ of one head as most implementations have it: whole [length, num_features] feature matrices and
// Eigen products. The baseline that tiles are measured against. All matrices row-major and dense; queries and keys are
// [length, head_dim], values and output [length, value_dim], projection [num_features, head_dim].
void WholeMatrixFavor(const float* queries, const float* keys, const float* values, const float* projection,
                      int64_t length, int64_t head_dim, int64_t value_dim, int64_t num_features, float* output);

}  // namespace favor

#endif  // FAVOR_TESTS_BENCHMARKS_WHOLE_MATRIX_FAVOR_H_
