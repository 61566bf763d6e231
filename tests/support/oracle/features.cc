#include "tests/support/oracle/features.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "tests/support/oracle/fitted.h"

namespace favor::testing {
namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

// exp(+-w.x - norms |x|^2), a feature for each row and sign. Choromanski et al. 2021, Lemma 1: with norms = 1/2 the
// products of two rows' features average to exp(x.y); with norms = 1 to exp(-|x - y|^2/2).
LogFeatures Positive(absl::Span<const double> x, const ProjectionMatrix& projection, double norms, bool both_signs) {
  LogFeatures features;
  const double count = static_cast<double>(projection.num_rows) * (both_signs ? 2 : 1);
  const double offset = -norms * SquaredNorm(x) - 0.5 * std::log(count);
  for (int64_t r = 0; r < projection.num_rows; ++r) features.Push(projection.Dot(r, x) + offset);
  if (both_signs) {
    for (int64_t r = 0; r < projection.num_rows; ++r) features.Push(-projection.Dot(r, x) + offset);
  }
  return features;
}

// exp(norms |x|^2) [cos w.x, sin w.x] / sqrt(m). Rahimi & Recht 2007: with norms = 0 the products average to
// exp(-|x - y|^2/2); with norms = 1/2 to exp(x.y).
LogFeatures Trigonometric(absl::Span<const double> x, const ProjectionMatrix& projection, double norms) {
  LogFeatures features;
  const double offset = norms * SquaredNorm(x) - 0.5 * std::log(static_cast<double>(projection.num_rows));
  for (int64_t r = 0; r < projection.num_rows; ++r) {
    const double t = projection.Dot(r, x);
    for (const double value : {std::cos(t), std::sin(t)}) {
      features.Push(std::log(std::abs(value)) + offset, std::copysign(1, value));
    }
  }
  return features;
}

LogFeatures Estimated(const FeatureSpec& spec, absl::Span<const double> x, const ProjectionMatrix& projection) {
  if (spec.statistics != nullptr) return FittedFeatures(spec, spec.statistics->heads[0], x, projection);
  const bool gaussian = spec.kernel == Kernel::kGaussian;
  if (spec.estimator == Estimator::kTrigonometric) return Trigonometric(x, projection, gaussian ? 0 : 0.5);
  return Positive(x, projection, gaussian ? 1 : 0.5, spec.antithetic || spec.estimator == Estimator::kHyperbolic);
}

LogFeatures Generalized(const FeatureSpec& spec, absl::Span<const double> x, const ProjectionMatrix& projection) {
  LogFeatures features;
  const int64_t count = projection.num_rows > 0 ? projection.num_rows : x.size();
  for (int64_t r = 0; r < count; ++r) {
    const double t = projection.num_rows > 0 ? projection.Dot(r, x) : x[r];
    if (spec.nonlinearity == Nonlinearity::kExp) {
      features.Push(t);
    } else {
      features.PushValue(Apply(spec.nonlinearity, t));
    }
  }
  return features;
}

LogFeatures EluPlusOne(absl::Span<const double> x) {
  LogFeatures features;
  for (const double t : x) features.Push(t > 0 ? std::log1p(t) : t);
  return features;
}

LogFeatures NoProjection(absl::Span<const double> x, Side side) {
  double log_sum = 0;
  if (side == Side::kQuery) {
    const double largest = *std::max_element(x.begin(), x.end());
    double sum = 0;
    for (const double t : x) sum += std::exp(t - largest);
    log_sum = largest + std::log(sum);
  }
  LogFeatures features;
  for (const double t : x) features.Push(t - log_sum);
  return features;
}

// constant + linear x.y + quadratic (x.y)^2, as explicit monomials.
LogFeatures Quadratic(absl::Span<const double> x, double constant, double linear, double quadratic) {
  LogFeatures features;
  features.PushValue(std::sqrt(constant));
  for (const double t : x) features.PushValue(std::sqrt(linear) * t);
  for (const double s : x) {
    for (const double t : x) features.PushValue(std::sqrt(quadratic) * s * t);
  }
  return features;
}

}  // namespace

void LogFeatures::Push(double log, double feature_sign) {
  log_magnitude.push_back(log);
  sign.push_back(feature_sign);
}

void LogFeatures::PushValue(double value) { Push(std::log(std::abs(value)), std::copysign(1, value)); }

LogFeatures FeaturesOf(const FeatureSpec& spec, absl::Span<const double> x, const ProjectionMatrix& projection,
                       Side side) {
  switch (spec.kernel) {
    case Kernel::kSoftmax:
    case Kernel::kGaussian:
    case Kernel::kSoftmaxRegularized:
      return Estimated(spec, x, projection);
    case Kernel::kGeneralized:
      return Generalized(spec, x, projection);
    case Kernel::kEluPlusOne:
      return EluPlusOne(x);
    case Kernel::kNoProjection:
      return NoProjection(x, side);
    case Kernel::kTaylor2:  // 1 + x.y + (x.y)^2/2
      return Quadratic(x, 1, 1, 0.5);
    case Kernel::kPolynomial2:  // (x.y + c)^2
      return Quadratic(x, spec.polynomial_offset * spec.polynomial_offset, 2 * spec.polynomial_offset, 1);
  }
  return {};
}

double Apply(Nonlinearity nonlinearity, double t) {
  switch (nonlinearity) {
    case Nonlinearity::kRelu:
      return std::max(t, 0.0);
    case Nonlinearity::kSquaredRelu:
      return std::max(t, 0.0) * std::max(t, 0.0);
    case Nonlinearity::kExp:
      return std::exp(t);
    case Nonlinearity::kAbs:
      return std::abs(t);
    case Nonlinearity::kGelu:
      return 0.5 * t * std::erfc(-t / std::numbers::sqrt2);
    case Nonlinearity::kSigmoid:
      return 1 / (1 + std::exp(-t));
    case Nonlinearity::kGeluTanh:
      return 0.5 * t * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (t + 0.044715 * t * t * t)));
    case Nonlinearity::kSilu:
      return t / (1 + std::exp(-t));
    case Nonlinearity::kSoftplus:
      return std::max(t, 0.0) + std::log1p(std::exp(-std::abs(t)));
    case Nonlinearity::kLeakyRelu:
      return std::max(t, t / 100);
  }
  return 0;
}

double SquaredNorm(absl::Span<const double> x) { return Dot(x, x); }

double Dot(absl::Span<const double> x, absl::Span<const double> y) {
  double sum = 0;
  for (size_t c = 0; c < x.size(); ++c) sum += x[c] * y[c];
  return sum;
}

ScaledSum Product(const LogFeatures& query, const LogFeatures& key) {
  ScaledSum result;
  result.log_scale = kMinusInfinity;
  for (size_t r = 0; r < query.sign.size(); ++r) {
    result.log_scale = std::max(result.log_scale, query.log_magnitude[r] + key.log_magnitude[r]);
  }
  if (result.log_scale == kMinusInfinity) return result;
  for (size_t r = 0; r < query.sign.size(); ++r) {
    const double term = std::exp(query.log_magnitude[r] + key.log_magnitude[r] - result.log_scale);
    result.sum += query.sign[r] * key.sign[r] * term;
    result.magnitude += term;
  }
  return result;
}

double KernelEstimate(const FeatureSpec& spec, absl::Span<const double> x, absl::Span<const double> y,
                      const ProjectionMatrix& projection) {
  const ScaledSum product =
      Product(FeaturesOf(spec, x, projection, Side::kQuery), FeaturesOf(spec, y, projection, Side::kKey));
  return product.sum * std::exp(product.log_scale);
}

}  // namespace favor::testing
