#include <algorithm>
#include <cmath>

#include "favor/attention/head_error.h"
#include "favor/attention/head_sample.h"
#include "favor/attention/value_form.h"

namespace favor::internal {
namespace {

double LogNormalCdf(double x) { return std::log(std::erfc(-x / std::sqrt(2.0)) / 2); }

// E(S; n) - 1.
double ExcessMoment(double log_variance, double num_draws) {
  const double sigma = std::sqrt(std::max(log_variance, 0.0));
  const double cut = std::sqrt(2 * std::log(std::max(num_draws, 2.0)));
  if (sigma > cut + 5) return std::max(num_draws - 1, 0.0);
  const double log_moment =
      sigma * sigma + LogNormalCdf(cut - 2 * sigma) + LogNormalCdf(cut) - 2 * LogNormalCdf(cut - sigma);
  return std::clamp(std::expm1(log_moment), 0.0, std::max(num_draws - 1, 0.0));
}

// What the features of a head see, with the estimator's proposal in it.
struct SeenRows {
  RowMajorFloats queries, keys;  // x, y
  Eigen::VectorXf rho;           // [head_dim]
};

Eigen::Map<const RowMajorDoubles> Square(const std::vector<double>& entries, int64_t dim, int64_t offset = 0) {
  return {entries.data() + offset, dim, dim};
}

SeenRows See(double scale, const HeadStatistics* statistics, const HeadSample& sample) {
  const int64_t dim = sample.queries.cols();
  SeenRows seen{sample.queries, sample.keys, Eigen::VectorXf::Ones(dim)};
  if (statistics != nullptr) {
    if (!statistics->key_shift.empty()) {
      seen.keys.rowwise() -= Eigen::Map<const Eigen::RowVectorXd>(statistics->key_shift.data(), dim).cast<float>();
    }
    const auto size = static_cast<int64_t>(statistics->query_transform.size());
    if (size == dim && dim > 1) {
      const Eigen::Map<const Eigen::VectorXd> g(statistics->query_transform.data(), dim);
      seen.queries *= g.cast<float>().asDiagonal();
      seen.keys *= g.cwiseInverse().cast<float>().asDiagonal();
    } else if (size > 0) {
      const Eigen::MatrixXf g = Square(statistics->query_transform, dim).cast<float>();
      seen.queries *= g.transpose();
      seen.keys = g.transpose().partialPivLu().solve(seen.keys.transpose()).transpose();
    }
    const auto num_proposals = static_cast<int64_t>(statistics->proposal.size());
    for (int64_t l = 0; num_proposals > 0 && l < dim; ++l) {
      seen.rho[l] = static_cast<float>(1 / (1 - 8 * statistics->proposal[num_proposals == 1 ? 0 : l]));
    }
    if (num_proposals > dim) {
      const RowMajorFloats basis = Square(statistics->proposal, dim, dim).cast<float>();
      seen.queries *= basis;
      seen.keys *= basis;
    }
  }
  seen.queries *= static_cast<float>(std::sqrt(scale));
  seen.keys *= static_cast<float>(std::sqrt(scale));
  return seen;
}

// Before the factor 1/m: the relative variance of what every key has on its own in its weight, and of what keys share.
struct WeightVariances {
  double own, common;
};

// Of T = key_variance and |x + y0|^2 = shared, the proposal's part included.
WeightVariances VariancesOf(const FeatureSpec& spec, double key_variance, double shared, double num_keys,
                            double num_features) {
  if (spec.estimator == Estimator::kTrigonometric) {
    // exp(D) + exp(-D) - 2 of a squared distance D. Sines and cosines are bounded: no cut, but the denominator is as
    // wrong as the weights, and where it is all wrong answers are ratios of random sums, a few times the values.
    constexpr double kRatio = 30;
    const double t = std::min(key_variance, 300.0), s = std::min(shared, 300.0);
    const double denominator = 1 + (std::expm1(s) + std::expm1(-s)) / num_features;
    const double own = (std::exp(s) * std::expm1(t) + std::exp(-s) * std::expm1(-t)) / denominator;
    return {std::min(own, kRatio * num_keys * num_features), (std::exp(s) - std::exp(-s)) / denominator};
  }
  const double moment = 1 + ExcessMoment(shared, num_features);
  WeightVariances variances{ExcessMoment(key_variance, num_keys) * moment, moment};
  if (!spec.antithetic && spec.estimator != Estimator::kHyperbolic) return variances;
  variances.own = std::max(variances.own + std::exp(-shared) * std::expm1(-key_variance), 0.0);
  variances.common = std::max(variances.common - std::exp(-shared), 0.0);
  return variances;
}

// How much of a proposal's tilt of the projection so many draws can follow.
double FollowedTilt(double shared, double num_features) {
  return std::min(1.0, std::sqrt(2 * std::log(std::max(num_features, 2.0))) / (2 * std::sqrt(std::max(shared, 1e-9))));
}

}  // namespace

HeadError ExpectedFeatureError(const FeatureSpec& spec, double scale, const HeadStatistics* statistics,
                               int64_t num_features, const HeadSample& sample) {
  const SeenRows seen = See(scale, statistics, sample);
  const auto count = static_cast<float>(sample.keys.rows());
  const double m = static_cast<double>(num_features), degrees = std::max(count - 1, 1.0f);
  const int64_t num_rows = seen.queries.rows();
  const Eigen::RowVectorXf mean_key = seen.keys.colwise().mean();
  RowMajorFloats keys = seen.keys.rowwise() - mean_key;
  const Eigen::MatrixXf logits = seen.queries * keys.transpose();
  const Eigen::RowVectorXf variances = keys.colwise().squaredNorm() / degrees;

  double proposal = 0;
  for (const double rho : seen.rho) proposal += std::log((1 + rho) / 2) - std::log(rho) / 2;
  const float sign = spec.estimator == Estimator::kTrigonometric ? -1 : 1;
  // Squares of the mean key's sampling error do not count.
  const Eigen::VectorXf shared =
      ((seen.queries.rowwise() + sign * mean_key).cwiseAbs2() * seen.rho).array() - variances.dot(seen.rho) / count;
  const double tilt = FollowedTilt(std::max(shared.mean(), 0.0f) + proposal, m);
  const Eigen::VectorXf weights = static_cast<float>(tilt) * seen.rho.array() +
                                  static_cast<float>(1 - tilt) * (1 + seen.rho.cwiseInverse().array()) / 2;
  const double key_variance = variances.dot(weights);
  keys *= weights.cwiseSqrt().asDiagonal();

  const ValueForm form(sample);
  const double s = form.variance(), covariance = form.SquaredCovariance(keys);
  const Eigen::VectorXf common = form.Common(logits / count);
  HeadError error;
  for (int64_t i = 0; i < num_rows; ++i) {
    const double own = s / sample.num_keys[i];
    const WeightVariances wrong =
        VariancesOf(spec, key_variance, std::max(shared[i], 0.0f) + proposal, sample.num_keys[i], m);
    const double known =
        own * ExcessMoment(logits.row(i).squaredNorm() / degrees, sample.num_keys[i]) + std::min<double>(common[i], s);
    error.squared_error += own * wrong.own / m + std::min(covariance * wrong.common / m, s);
    error.mean_of_values_error += known;
    error.squared_norm += sample.squared_value_mean + own + known;
  }
  error.squared_error /= static_cast<double>(num_rows);
  error.mean_of_values_error /= static_cast<double>(num_rows);
  error.squared_norm /= static_cast<double>(num_rows);
  return error;
}

}  // namespace favor::internal
