#include "tests/benchmarks/stream/double_prefix.h"

#include <cmath>

namespace favor {
namespace {

using FloatRows = Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>;

}  // namespace

DoublePrefix::DoublePrefix(absl::Span<const float> projection, int64_t head_dim, int64_t value_dim)
    : projection_(FloatRows(projection.data(), static_cast<int64_t>(projection.size()) / head_dim, head_dim)
                      .cast<double>()
                      .transpose()),
      sums_(Matrix::Zero(projection_.cols(), value_dim + 1)) {}

DoublePrefix::Matrix DoublePrefix::Features(const float* tokens, int64_t count) const {
  const int64_t head_dim = projection_.rows();
  const Matrix x = FloatRows(tokens, count, head_dim).cast<double>() * std::pow(static_cast<double>(head_dim), -0.25);
  Matrix features = x * projection_;
  features.colwise() -= x.rowwise().squaredNorm() / 2;
  return features.array().exp();
}

void DoublePrefix::Fold(const float* keys, const float* values, int64_t count) {
  Matrix v(count, sums_.cols());
  v.leftCols(sums_.cols() - 1) = FloatRows(values, count, sums_.cols() - 1).cast<double>();
  v.rightCols(1).setOnes();
  sums_.noalias() += Features(keys, count).transpose() * v;
}

std::vector<double> DoublePrefix::Read(const float* query) const {
  const Matrix sums = Features(query, 1) * sums_;
  std::vector<double> output(sums.cols() - 1);
  for (int64_t c = 0; c + 1 < sums.cols(); ++c) output[c] = sums(0, c) / sums(0, sums.cols() - 1);
  return output;
}

}  // namespace favor
