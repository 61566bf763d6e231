#include "tests/support/oracle/parity.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace favor::testing {
namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

bool IsSoftmax(const FeatureSpec& spec) {
  return spec.kernel == Kernel::kSoftmax || spec.kernel == Kernel::kSoftmaxRegularized;
}

std::vector<double> Projected(const ProjectionMatrix& projection, const std::vector<double>& x) {
  if (projection.num_rows == 0) return x;
  std::vector<double> result;
  for (int64_t r = 0; r < projection.num_rows; ++r) result.push_back(projection.Dot(r, x));
  return result;
}

// The features of a row, stabilised by `stabilizer` (softmax only), no epsilon added.
std::vector<double> Stabilized(const FeatureSpec& spec, const OracleHead& head, const std::vector<double>& x,
                               double stabilizer, Side side) {
  std::vector<double> features = Projected(head.projection, x);
  if (spec.kernel == Kernel::kNoProjection) {
    const LogFeatures logs = FeaturesOf(spec, x, {}, side);
    for (size_t r = 0; r < features.size(); ++r) features[r] = std::exp(logs.log_magnitude[r]);
    return features;
  }
  const double half_norm = SquaredNorm(x) / 2;
  for (double& t : features) {
    t = IsSoftmax(spec) ? std::exp(t - half_norm - stabilizer) : Apply(spec.nonlinearity, t);
  }
  return features;
}

double LargestProjection(const OracleHead& head, const std::vector<double>& x) {
  const std::vector<double> projected = Projected(head.projection, x);
  return *std::max_element(projected.begin(), projected.end());
}

// Over the first num_keys keys.
double LargestProjection(const OracleHead& head, size_t num_keys) {
  double largest = kMinusInfinity;
  for (size_t j = 0; j < num_keys; ++j) largest = std::max(largest, LargestProjection(head, head.keys[j]));
  return largest;
}

// Sums over the keys seen so far.
struct Sums {
  std::vector<double> z;               // Z_r
  std::vector<std::vector<double>> s;  // S_r, each [value_dim]
  std::vector<double> v;               // V
  double n = 0;
  // For Rounding: Z_r of the features' magnitudes, and the largest |v| in each dim.
  std::vector<double> z_magnitude;
  std::vector<double> v_magnitude;

  void Add(const std::vector<double>& features, const std::vector<double>& value) {
    z.resize(features.size());
    z_magnitude.resize(features.size());
    s.resize(features.size(), std::vector<double>(value.size()));
    for (size_t r = 0; r < features.size(); ++r) {
      z[r] += features[r];
      z_magnitude[r] += std::abs(features[r]);
      for (size_t c = 0; c < value.size(); ++c) s[r][c] += features[r] * value[c];
    }
    for (size_t c = 0; c < value.size(); ++c) v[c] += value[c];
    for (size_t c = 0; c < value.size(); ++c) v_magnitude[c] = std::max(v_magnitude[c], std::abs(value[c]));
    n += 1;
  }
};

// `features` are the query's without epsilon. A signed one and its epsilon may cancel: they are two terms. A
// denominator below zero is divided by as well: only that of a signed map can be.
OracleRow Read(const Sums& sums, const std::vector<double>& features, double eps, double causal_term) {
  OracleRow row{std::vector<double>(sums.v.size(), 0.0)};
  std::vector<double> query_features = features;
  for (double& feature : query_features) feature += eps;
  double total = 0;  // Q
  double denominator = 0;
  double magnitude = 0;
  for (size_t r = 0; r < query_features.size(); ++r) {
    total += query_features[r];
    const double query_magnitude = std::abs(features[r]) + eps;
    magnitude += query_magnitude * (eps * sums.n + causal_term);
    if (sums.n == 0) continue;
    denominator += query_features[r] * sums.z[r];
    magnitude += query_magnitude * sums.z_magnitude[r];
  }
  denominator += total * (eps * sums.n + causal_term);
  if (magnitude > 0) row.rounding.conditioning = magnitude / std::abs(denominator);
  if (sums.n == 0 || denominator == 0) {
    row.degenerate = true;
    return row;
  }
  for (size_t c = 0; c < row.output.size(); ++c) {
    for (size_t r = 0; r < query_features.size(); ++r) row.output[c] += query_features[r] * sums.s[r][c];
    row.output[c] = (row.output[c] + eps * total * sums.v[c]) / denominator;
    row.rounding.scale = std::max({row.rounding.scale, row.rounding.conditioning * sums.v_magnitude[c],
                                   row.rounding.conditioning * std::abs(row.output[c])});
  }
  return row;
}

}  // namespace

std::vector<OracleRow> ParityRows(const FeatureSpec& spec, const OracleHead& head) {
  const double eps = spec.epsilon_parity->feature_epsilon;
  const double ratio = IsSoftmax(spec) ? std::sqrt(static_cast<double>(head.projection.num_rows)) : 1;
  const bool by_prefix = head.causal && spec.epsilon_parity->prefix_stabiliser;
  Sums none;
  none.v.resize(head.value_dim);
  none.v_magnitude.resize(head.value_dim);
  Sums sums = none;
  size_t num_added = 0;
  double kappa = LargestProjection(head, by_prefix ? 0 : head.keys.size());
  std::vector<OracleRow> rows;
  for (size_t i = 0; i < head.queries.size(); ++i) {
    if (by_prefix) {
      kappa = LargestProjection(head, head.num_visible(i));
      sums = none;
      num_added = 0;
    }
    for (; num_added < head.num_visible(i); ++num_added) {
      sums.Add(Stabilized(spec, head, head.keys[num_added], kappa, Side::kKey), head.values[num_added]);
    }
    const double mu = IsSoftmax(spec) ? LargestProjection(head, head.queries[i]) : 0;
    const std::vector<double> features = Stabilized(spec, head, head.queries[i], mu, Side::kQuery);
    const double causal_term = head.causal ? spec.epsilon_parity->causal_epsilon * ratio : 0;
    rows.push_back(Read(sums, features, eps, causal_term));
  }
  return rows;
}

}  // namespace favor::testing
