#include "tests/support/oracle/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/support/oracle/fitted.h"
#include "tests/support/oracle/parity.h"

namespace favor::testing {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

OracleRow DegenerateRow(int64_t value_dim, double conditioning = 1) {
  return {std::vector<double>(value_dim, 0.0), {conditioning, 0}, /*degenerate=*/true};
}

// The mean of the values, each weighed by weights[j] (any scale, any sign).
OracleRow WeighValues(const OracleHead& head, const std::vector<ScaledSum>& weights) {
  double log_scale = -kInfinity;
  for (const ScaledSum& weight : weights) log_scale = std::max(log_scale, weight.log_scale);
  if (log_scale == -kInfinity) return DegenerateRow(head.value_dim);
  OracleRow row{std::vector<double>(head.value_dim, 0.0)};
  std::vector<double> magnitudes(head.value_dim);
  double denominator = 0;
  double magnitude = 0;
  for (size_t j = 0; j < weights.size(); ++j) {
    const double factor = std::exp(weights[j].log_scale - log_scale);
    denominator += factor * weights[j].sum;
    magnitude += factor * weights[j].magnitude;
    for (int64_t c = 0; c < head.value_dim; ++c) {
      row.output[c] += factor * weights[j].sum * head.values[j][c];
      magnitudes[c] += factor * weights[j].magnitude * std::abs(head.values[j][c]);
    }
  }
  const double conditioning = magnitude / std::abs(denominator);
  if (!(denominator > 0)) return DegenerateRow(head.value_dim, conditioning);
  row.rounding.conditioning = conditioning;
  for (int64_t c = 0; c < head.value_dim; ++c) {
    row.output[c] /= denominator;
    row.rounding.scale =
        std::max({row.rounding.scale, magnitudes[c] / denominator, conditioning * std::abs(row.output[c])});
  }
  return row;
}

std::vector<OracleRow> ExactRows(const OracleHead& head) {
  std::vector<OracleRow> rows;
  for (size_t i = 0; i < head.queries.size(); ++i) {
    std::vector<ScaledSum> weights(head.num_visible(i));
    for (size_t j = 0; j < weights.size(); ++j) weights[j] = {Dot(head.queries[i], head.keys[j]), 1, 1};
    rows.push_back(WeighValues(head, weights));
  }
  return rows;
}

std::vector<OracleRow> FeatureRows(const FeatureSpec& spec, const OracleHead& head) {
  std::vector<LogFeatures> key_features;
  for (const std::vector<double>& key : head.keys) {
    key_features.push_back(FeaturesOf(spec, key, head.projection, Side::kKey));
  }
  std::vector<OracleRow> rows;
  for (size_t i = 0; i < head.queries.size(); ++i) {
    const LogFeatures query_features = FeaturesOf(spec, head.queries[i], head.projection, Side::kQuery);
    std::vector<ScaledSum> weights(head.num_visible(i));
    for (size_t j = 0; j < weights.size(); ++j) weights[j] = Product(query_features, key_features[j]);
    rows.push_back(WeighValues(head, weights));
  }
  return rows;
}

// out_i = sum_r f_ir sum_j g_jr v_j / sum_r f_ir sum_j g_jr, f_ir = softmax_r(q_i) + eps, g_jr = softmax_j(k_jr) + eps.
std::vector<OracleRow> NoProjectionBidirectionalRows(const FeatureSpec& spec, const OracleHead& head) {
  const double eps = spec.epsilon_parity ? spec.epsilon_parity->feature_epsilon : 0;
  const auto num_keys = static_cast<double>(head.keys.size());
  std::vector<double> total(head.value_dim, 0.0);
  for (size_t j = 0; j < head.keys.size(); ++j) {
    for (int64_t c = 0; c < head.value_dim; ++c) total[c] += head.values[j][c];
  }
  std::vector<OracleRow> rows;
  for (const std::vector<double>& query : head.queries) {
    if (head.keys.empty()) {
      rows.push_back(DegenerateRow(head.value_dim));
      continue;
    }
    OracleRow row{std::vector<double>(head.value_dim, 0.0)};
    const LogFeatures query_features = FeaturesOf(spec, query, {}, Side::kQuery);
    double denominator = 0;
    for (size_t r = 0; r < query.size(); ++r) {
      const double feature = std::exp(query_features.log_magnitude[r]) + eps;
      std::vector<ScaledSum> weights;
      for (const std::vector<double>& key : head.keys) weights.push_back({key[r], 1, 1});
      const OracleRow mean = WeighValues(head, weights);
      row.rounding.scale = std::max(row.rounding.scale, mean.rounding.scale);
      for (int64_t c = 0; c < head.value_dim; ++c) row.output[c] += feature * (mean.output[c] + eps * total[c]);
      denominator += feature * (1 + eps * num_keys);
    }
    for (double& output : row.output) output /= denominator;
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<OracleRow> Rows(const AttentionSpec& spec, const OracleHead& head) {
  if (spec.mode == AttentionMode::kExact) return ExactRows(head);
  if (spec.features.kernel == Kernel::kNoProjection && !spec.causal) {
    return NoProjectionBidirectionalRows(spec.features, head);
  }
  if (spec.features.epsilon_parity.has_value()) return ParityRows(spec.features, head);
  return FeatureRows(spec.features, head);
}

double ScaleOf(const AttentionSpec& spec, int64_t head_dim) {
  if (spec.scale.has_value()) return *spec.scale;
  const bool unscaled = spec.mode == AttentionMode::kFeatures &&
                        (spec.features.kernel == Kernel::kEluPlusOne || spec.features.kernel == Kernel::kNoProjection);
  return unscaled ? 1 : 1 / std::sqrt(static_cast<double>(head_dim));
}

std::vector<std::vector<double>> TakeRows(const DoubleTensor& tensor, int64_t batch, int64_t head, int64_t count,
                                          double factor, const HeadStatistics& statistics = {},
                                          Side side = Side::kQuery) {
  std::vector<std::vector<double>> rows;
  for (int64_t i = 0; i < count; ++i) {
    rows.push_back(Transformed(statistics, tensor.Row(batch, head, i), side));
    for (double& value : rows.back()) value *= factor;
  }
  return rows;
}

}  // namespace

OracleOutput OracleAttend(const AttentionSpec& spec, const AttentionInputs& inputs) {
  const DoubleTensor queries = Decode(inputs.queries);
  const DoubleTensor keys = Decode(inputs.keys);
  const DoubleTensor values = Decode(inputs.values);
  const double factor = std::sqrt(ScaleOf(spec, queries.shape.dim));

  OracleOutput result;
  result.output =
      DoubleTensor({queries.shape.batch_size, queries.shape.num_heads, queries.shape.length, values.shape.dim});
  std::vector<ProjectionMatrix> matrices;
  for (int64_t m = 0; inputs.projection != nullptr && m < inputs.projection->num_matrices(); ++m) {
    matrices.push_back(MatrixOf(*inputs.projection, m));
  }
  for (int64_t b = 0; b < queries.shape.batch_size; ++b) {
    const int64_t num_queries = inputs.query_lengths.empty() ? queries.shape.length : inputs.query_lengths[b];
    const int64_t num_keys = inputs.key_lengths.empty() ? keys.shape.length : inputs.key_lengths[b];
    for (int64_t h = 0; h < queries.shape.num_heads; ++h) {
      const int64_t key_head = h / (queries.shape.num_heads / keys.shape.num_heads);
      AttentionSpec head_spec = spec;
      HeadStatistics statistics;
      if (spec.features.statistics != nullptr) {
        statistics = spec.features.statistics->heads[key_head];
        head_spec.features.statistics = std::make_shared<const Statistics>(Statistics{{statistics}});
      }
      OracleHead head;
      head.queries = TakeRows(queries, b, h, num_queries, factor, statistics, Side::kQuery);
      head.keys = TakeRows(keys, b, key_head, num_keys, factor, statistics, Side::kKey);
      head.values = TakeRows(values, b, key_head, num_keys, 1);
      head.value_dim = values.shape.dim;
      head.causal = spec.causal;
      if (!matrices.empty()) head.projection = matrices[key_head % matrices.size()];
      const std::vector<OracleRow> rows = Rows(head_spec, head);
      for (int64_t i = 0; i < queries.shape.length; ++i) {
        const bool valid = i < num_queries;
        result.rounding.push_back(valid ? rows[i].rounding : Rounding{});
        if (!valid) continue;
        if (rows[i].degenerate) ++result.degenerate_rows;
        std::copy(rows[i].output.begin(), rows[i].output.end(), result.output.Row(b, h, i).begin());
      }
    }
  }
  return result;
}

}  // namespace favor::testing
