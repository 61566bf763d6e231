#include "tests/benchmarks/whole_matrix_favor.h"

#include <Eigen/Core>
#include <cmath>

namespace favor {
namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using ConstMap = Eigen::Map<const Matrix>;

// exp(W x - |x|^2/2 - stabiliser): per row for queries, one for all keys.
Matrix Features(const ConstMap& input, const ConstMap& projection, bool keys) {
  const float multiplier = 1 / std::sqrt(std::sqrt(static_cast<float>(input.cols())));
  const Matrix x = input * multiplier;
  Matrix logs = x * projection.transpose();
  logs.colwise() -= x.rowwise().squaredNorm() / 2;
  if (keys) {
    logs.array() -= logs.maxCoeff();
  } else {
    logs.colwise() -= logs.rowwise().maxCoeff().eval();
  }
  return logs.array().exp();
}

}  // namespace

void WholeMatrixFavor(const float* queries, const float* keys, const float* values, const float* projection,
                      int64_t length, int64_t head_dim, int64_t value_dim, int64_t num_features, float* output) {
  const ConstMap w(projection, num_features, head_dim);
  const Matrix key_features = Features(ConstMap(keys, length, head_dim), w, true);
  const Matrix value_sums = key_features.transpose() * ConstMap(values, length, value_dim);
  const Eigen::VectorXf key_sums = key_features.colwise().sum();
  const Matrix query_features = Features(ConstMap(queries, length, head_dim), w, false);
  const Eigen::VectorXf denominators = query_features * key_sums;
  Eigen::Map<Matrix> out(output, length, value_dim);
  out.noalias() = query_features * value_sums;
  out.array().colwise() /= denominators.array();
}

}  // namespace favor
