#include "tests/lib/attention/anchor_oracle.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include <Eigen/Dense>

#include "favor/attention/stratified_rows.h"

namespace favor::testing {
namespace {

using Row = std::vector<double>;

// What an output is made of.
struct Parts {
  Row at_anchor, first, second;
};

class Head {
 public:
  Head(const AttentionCase& attention_case, int64_t batch, int64_t key_head)
      : case_(attention_case), statistics_(attention_case.spec.features.statistics->heads[key_head]) {
    const int64_t length = case_.key_lengths.empty() ? case_.keys.shape.length : case_.key_lengths[batch];
    scale_ = case_.spec.scale.value_or(1 / std::sqrt(static_cast<double>(dim())));
    for (int64_t j = 0; j < length; ++j) {
      const auto key = case_.keys.Row(batch, key_head, j), value = case_.values.Row(batch, key_head, j);
      keys_.emplace_back(key.begin(), key.end());
      values_.emplace_back(value.begin(), value.end());
    }
    mean_.assign(case_.values.shape.dim, 0.0);
    for (const Row& value : values_) {
      for (size_t n = 0; n < mean_.size(); ++n) mean_[n] += value[n] / static_cast<double>(values_.size());
    }
  }

  int64_t dim() const { return case_.keys.shape.dim; }
  bool empty() const { return keys_.empty(); }
  const Row& mean() const { return mean_; }

  // Softmax weights of all keys for a query.
  Row Weights(const Row& query) const {
    Row weights;
    for (const Row& key : keys_) weights.push_back(scale_ * Dot(query, key));
    const double largest = *std::max_element(weights.begin(), weights.end());
    double sum = 0;
    for (double& weight : weights) sum += weight = std::exp(weight - largest);
    for (double& weight : weights) weight /= sum;
    return weights;
  }

  Row Average(const Row& weights) const {
    Row average(mean_.size(), 0.0);
    for (size_t j = 0; j < values_.size(); ++j) {
      for (size_t n = 0; n < average.size(); ++n) average[n] += weights[j] * values_[j][n];
    }
    return average;
  }

  Parts Of(const Row& query) const {
    const Row anchor = Nearest(query), weights = Weights(anchor);
    Parts parts{Average(weights), Row(mean_.size(), 0.0), Row(mean_.size(), 0.0)};
    Row offset(dim());
    for (int64_t l = 0; l < dim(); ++l) offset[l] = query[l] - anchor[l];
    const Row scores = Centred(weights, offset);
    // The part of a score in the directions is that of a query whose offset has been projected onto them.
    const Row second = Centred(weights, Projected(offset));
    for (size_t j = 0; j < keys_.size(); ++j) {
      for (size_t n = 0; n < mean_.size(); ++n) {
        const double value = weights[j] * (values_[j][n] - parts.at_anchor[n]);
        parts.first[n] += scores[j] * value;
        parts.second[n] += second[j] * second[j] / 2 * value;
      }
    }
    return parts;
  }

 private:
  static double Dot(const Row& a, const Row& b) {
    double sum = 0;
    for (size_t l = 0; l < a.size(); ++l) sum += a[l] * b[l];
    return sum;
  }

  // scale offset.k_j less its mean.
  Row Centred(const Row& weights, const Row& offset) const {
    Row scores;
    double mean = 0;
    for (size_t j = 0; j < keys_.size(); ++j) {
      scores.push_back(scale_ * Dot(offset, keys_[j]));
      mean += weights[j] * scores[j];
    }
    for (double& score : scores) score -= mean;
    return scores;
  }

  // G^-1 U'U G offset.
  Row Projected(const Row& offset) const {
    using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    const int64_t count = static_cast<int64_t>(statistics_.directions.size()) / dim();
    const Eigen::Map<const Matrix> g(statistics_.query_transform.data(), dim(), dim());
    const Eigen::Map<const Matrix> u(statistics_.directions.data(), count, dim());
    const Eigen::VectorXd in_metric = g * Eigen::Map<const Eigen::VectorXd>(offset.data(), dim());
    const Eigen::VectorXd projected = g.partialPivLu().solve(u.transpose() * (u * in_metric));
    return {projected.begin(), projected.end()};
  }

  Row Nearest(const Row& query) const {
    Row best;
    double least = std::numeric_limits<double>::infinity();
    for (size_t c = 0; c < statistics_.anchors.size() / dim(); ++c) {
      const Row anchor(statistics_.anchors.begin() + c * dim(), statistics_.anchors.begin() + (c + 1) * dim());
      double distance = 0;
      for (int64_t r = 0; r < dim(); ++r) {
        double coordinate = 0;
        for (int64_t l = 0; l < dim(); ++l) {
          coordinate += statistics_.query_transform[r * dim() + l] * (query[l] - anchor[l]);
        }
        distance += coordinate * coordinate;
      }
      if (distance < least) {
        least = distance;
        best = anchor;
      }
    }
    return best;
  }

  const AttentionCase& case_;
  const HeadStatistics& statistics_;
  double scale_;
  std::vector<Row> keys_, values_;
  Row mean_;
};

using Weights = std::array<double, 3>;

constexpr Weights kLargestWeights = {1.1, 1.1, 1.5};

// Least squares of `rest` on columns of parts, those that are not held at a bound: held[i] is -1, or what weight i is.
// Infinite where a weight is out of bounds.
double SolveFace(const Eigen::MatrixXd& parts, const Eigen::VectorXd& target, const Weights& held, Weights* weights) {
  std::vector<int> free;
  Eigen::VectorXd rest = target;
  for (int i = 0; i < 3; ++i) {
    if (held[i] < 0) free.push_back(i);
    rest -= (held[i] < 0 ? 1 : held[i]) * parts.col(i);
    (*weights)[i] = held[i] < 0 ? 1 : held[i];
  }
  if (!free.empty()) {
    Eigen::MatrixXd columns(parts.rows(), free.size());
    Eigen::VectorXd norms(free.size());
    for (size_t f = 0; f < free.size(); ++f) {
      norms[f] = parts.col(free[f]).norm();
      columns.col(f) = parts.col(free[f]) / (norms[f] > 0 ? norms[f] : 1);
    }
    Eigen::CompleteOrthogonalDecomposition<Eigen::MatrixXd> solver;
    solver.setThreshold(std::sqrt(1e-9));
    const Eigen::VectorXd change = solver.compute(columns).solve(rest);
    rest -= columns * change;
    for (size_t f = 0; f < free.size(); ++f) {
      double& weight = (*weights)[free[f]];
      if (norms[f] > 0) weight += change[f] / norms[f];
      if (weight < 0 || weight > kLargestWeights[free[f]]) return std::numeric_limits<double>::infinity();
    }
  }
  return rest.squaredNorm();
}

Weights FitWeights(const Head& head, const std::vector<Row>& queries, int64_t num_rows) {
  const int64_t count = std::min<int64_t>(num_rows, queries.size()), dim = head.mean().size();
  Eigen::MatrixXd parts(count * dim, 3);
  Eigen::VectorXd target(count * dim);
  const internal::StratifiedRows rows(queries.size(), count);
  for (int64_t i = 0; i < count; ++i) {
    const Row& query = queries[rows.Row(i)];
    const Parts of = head.Of(query);
    const Row exact = head.Average(head.Weights(query));
    for (int64_t n = 0; n < dim; ++n) {
      const int64_t row = i * dim + n;
      parts.row(row) << of.at_anchor[n] - head.mean()[n], of.first[n], of.second[n];
      target[row] = exact[n] - head.mean()[n];
    }
  }
  // Without bounds, or else every way of holding some weights at one.
  Weights best, weights;
  double least = SolveFace(parts, target, {-1, -1, -1}, &best);
  if (std::isfinite(least)) return best;
  for (int face = 0; face < 27; ++face) {
    Weights held;
    for (int i = 0, digits = face; i < 3; ++i, digits /= 3) {
      held[i] = digits % 3 == 0 ? -1 : digits % 3 == 1 ? 0 : kLargestWeights[i];
    }
    const double squares = SolveFace(parts, target, held, &weights);
    if (squares < least) {
      least = squares;
      best = weights;
    }
  }
  return best;
}

}  // namespace

DoubleTensor AnchorOracle(const AttentionCase& attention_case) {
  const Shape& shape = attention_case.queries.shape;
  const int64_t key_heads = attention_case.keys.shape.num_heads, group = shape.num_heads / key_heads;
  const int64_t num_fit_rows = attention_case.spec.features.num_fit_rows;
  DoubleTensor output(attention_case.shape().output());
  for (int64_t batch = 0; batch < shape.batch_size; ++batch) {
    const int64_t length = attention_case.query_lengths.empty() ? shape.length : attention_case.query_lengths[batch];
    for (int64_t key_head = 0; key_head < key_heads; ++key_head) {
      const Head head(attention_case, batch, key_head);
      if (head.empty()) continue;
      std::vector<Row> queries;
      for (int64_t h = key_head * group; h < (key_head + 1) * group; ++h) {
        for (int64_t i = 0; i < length; ++i) {
          const auto query = attention_case.queries.Row(batch, h, i);
          queries.emplace_back(query.begin(), query.end());
        }
      }
      const auto [w1, w2, w3] = num_fit_rows > 0 ? FitWeights(head, queries, num_fit_rows) : Weights{1, 1, 1};
      for (size_t q = 0; q < queries.size(); ++q) {
        const Parts parts = head.Of(queries[q]);
        const auto row = output.Row(batch, key_head * group + q / length, q % length);
        for (size_t n = 0; n < row.size(); ++n) {
          row[n] =
              head.mean()[n] + w1 * (parts.at_anchor[n] - head.mean()[n]) + w2 * parts.first[n] + w3 * parts.second[n];
        }
      }
    }
  }
  return output;
}

}  // namespace favor::testing
