#ifndef FAVOR_TESTS_BENCHMARKS_STREAM_DOUBLE_PREFIX_H_
#define FAVOR_TESTS_BENCHMARKS_STREAM_DOUBLE_PREFIX_H_

#include <cstdint>
#include <vector>

#include "Eigen/Core"
#include "absl/types/span.h"

namespace favor {

// Causal FAVOR+ of one head in float64, token by token: S = sum phi(k) v', z = sum phi(k), nothing rescaled, which
// inputs near N(0, 1) do not need. Shares nothing with the library but the projection.
class DoublePrefix {
 public:
  // `projection`: row-major [num_features, head_dim].
  DoublePrefix(absl::Span<const float> projection, int64_t head_dim, int64_t value_dim);

  // Adds `count` tokens, row-major [count, head_dim] and [count, value_dim].
  void Fold(const float* keys, const float* values, int64_t count);
  // The output of a query, which sees all that was folded.
  std::vector<double> Read(const float* query) const;

 private:
  using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

  // [count, num_features]
  Matrix Features(const float* tokens, int64_t count) const;

  Matrix projection_;  // [head_dim, num_features]
  Matrix sums_;        // [num_features, value_dim + 1], the last column those of 1
};

}  // namespace favor

#endif  // FAVOR_TESTS_BENCHMARKS_STREAM_DOUBLE_PREFIX_H_
