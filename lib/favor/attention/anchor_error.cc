#include <cmath>

#include "favor/attention/head_error.h"
#include "favor/attention/head_sample.h"
#include "favor/attention/value_form.h"

namespace favor::internal {
namespace {

using Rows = Eigen::Map<const RowMajorDoubles>;

Eigen::RowVectorXf Softmax(const Eigen::RowVectorXf& logits) {
  const Eigen::RowVectorXf weights = (logits.array() - logits.maxCoeff()).exp();
  return weights / weights.sum();
}

// Index of the anchor for which |G (q - b)| is least.
int64_t Nearest(const RowMajorFloats& anchors_in_metric, const Eigen::RowVectorXf& query_in_metric) {
  Eigen::Index nearest = 0;
  (anchors_in_metric.rowwise() - query_in_metric).rowwise().squaredNorm().minCoeff(&nearest);
  return nearest;
}

}  // namespace

HeadError ExpectedAnchorError(const FeatureSpec& spec, double scale, const HeadStatistics& statistics,
                              const HeadSample& sample) {
  const int64_t dim = sample.queries.cols(), num_rows = sample.queries.rows(), num_keys = sample.keys.rows();
  const Rows g(statistics.query_transform.data(), dim, dim);
  const Rows given(statistics.anchors.data(), static_cast<int64_t>(statistics.anchors.size()) / dim, dim);
  const Rows given_directions(statistics.directions.data(), static_cast<int64_t>(statistics.directions.size()) / dim,
                              dim);
  const RowMajorFloats keys = (sample.keys.rowwise() - sample.keys.colwise().mean()) * static_cast<float>(scale);
  const RowMajorFloats metric = g.cast<float>(), anchors = given.cast<float>();
  const RowMajorFloats directions = given_directions.cast<float>();
  const RowMajorFloats anchors_in_metric = anchors * metric.transpose(), queries = sample.queries * metric.transpose();
  RowMajorFloats key_directions;  // [directions, K]
  if (directions.rows() > 0) {
    key_directions = metric.partialPivLu().solve(directions.transpose()).transpose() * keys.transpose();
  }

  Eigen::MatrixXf known(num_rows, num_keys), expansion(num_rows, num_keys);  // weights less 1/K, exact and expanded
  for (int64_t i = 0; i < num_rows; ++i) {
    const int64_t nearest = Nearest(anchors_in_metric, queries.row(i));
    const Eigen::RowVectorXf logits = anchors.row(nearest) * keys.transpose();
    const Eigen::RowVectorXf beyond = (sample.queries.row(i) - anchors.row(nearest)) * keys.transpose();
    const Eigen::RowVectorXf weights = Softmax(logits);
    Eigen::RowVectorXf factors = beyond.array() - weights.dot(beyond);
    if (directions.rows() > 0) {
      const Eigen::RowVectorXf u = (queries.row(i) - anchors_in_metric.row(nearest)) * directions.transpose();
      Eigen::RowVectorXf second = u * key_directions;
      second = (second.array() - weights.dot(second)).square();
      factors.array() += (second.array() - weights.dot(second)) / 2;
    }
    const float share = 1 / static_cast<float>(num_keys);
    known.row(i) = Softmax(logits + beyond).array() - share;
    expansion.row(i) = weights.cwiseProduct(factors) + weights - Eigen::RowVectorXf::Constant(num_keys, share);
  }

  const ValueForm form(sample);
  const auto mean_square = [&](const Eigen::MatrixXf& w) {
    const Eigen::VectorXd squares = w.rowwise().squaredNorm().cast<double>();
    return form.Common(w).mean() +
           form.variance() * static_cast<double>(num_keys) * squares.cwiseQuotient(sample.num_keys).mean();
  };
  HeadError error;
  error.mean_of_values_error = mean_square(known);
  error.squared_error = mean_square(expansion - known);
  if (spec.num_fit_rows > 0) {
    const double square = mean_square(expansion);
    const double product = (square + error.mean_of_values_error - error.squared_error) / 2;
    if (square > 0) error.squared_error = mean_square(expansion * static_cast<float>(product / square) - known);
  }
  error.squared_norm =
      sample.squared_value_mean + form.variance() * sample.num_keys.cwiseInverse().mean() + error.mean_of_values_error;
  return error;
}

}  // namespace favor::internal
