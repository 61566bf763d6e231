#include "tests/lib/attention/anchor_oracle.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include <Eigen/Dense>

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

std::array<double, 3> FitWeights(const Head& head, const std::vector<Row>& queries, int64_t num_rows) {
  const int64_t count = std::min<int64_t>(num_rows, queries.size()), dim = head.mean().size();
  Eigen::MatrixXd parts(count * dim, 3);
  Eigen::VectorXd rest(count * dim);
  for (int64_t i = 0; i < count; ++i) {
    const Row& query = queries[(2 * i + 1) * queries.size() / (2 * count)];
    const Parts of = head.Of(query);
    const Row exact = head.Average(head.Weights(query));
    for (int64_t n = 0; n < dim; ++n) {
      const int64_t row = i * dim + n;
      parts.row(row) << of.at_anchor[n] - head.mean()[n], of.first[n], of.second[n];
      rest[row] = exact[n] - head.mean()[n] - parts.row(row).sum();
    }
  }
  const Eigen::VectorXd norms = parts.colwise().norm();
  for (int i = 0; i < 3; ++i) {
    if (norms[i] > 0) parts.col(i) /= norms[i];
  }
  Eigen::CompleteOrthogonalDecomposition<Eigen::MatrixXd> solver;
  solver.setThreshold(std::sqrt(1e-9));
  const Eigen::VectorXd change = solver.compute(parts).solve(rest);
  std::array<double, 3> weights;
  for (int i = 0; i < 3; ++i) weights[i] = 1 + (norms[i] > 0 ? change[i] / norms[i] : 0);
  return weights;
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
      const auto [w1, w2, w3] =
          num_fit_rows > 0 ? FitWeights(head, queries, num_fit_rows) : std::array<double, 3>{1, 1, 1};
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
