#include "tests/support/oracle/closed_forms.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "tests/support/oracle/features.h"

namespace favor::testing {
namespace {

constexpr double kPi = std::numbers::pi;

// 0F1(b; z) = sum_k z^k / (k! b (b + 1) ... (b + k - 1)).
double Hypergeometric0F1(double b, double z) {
  double term = 1;
  double sum = 1;
  for (int k = 1; k < 500; ++k) {
    term *= z / (k * (b + k - 1));
    sum += term;
  }
  return sum;
}

std::optional<double> ExpectedGeneralized(Nonlinearity nonlinearity, absl::Span<const double> x,
                                          absl::Span<const double> y) {
  const double norms = std::sqrt(SquaredNorm(x) * SquaredNorm(y));
  const double cosine = std::clamp(Dot(x, y) / norms, -1.0, 1.0);
  const double angle = std::acos(cosine);
  switch (nonlinearity) {
    case Nonlinearity::kRelu:
      return norms * (std::sin(angle) + (kPi - angle) * cosine) / (2 * kPi);
    case Nonlinearity::kSquaredRelu:
      return norms * norms * (3 * std::sin(angle) * cosine + (kPi - angle) * (1 + 2 * cosine * cosine)) / (2 * kPi);
    case Nonlinearity::kAbs:
      return norms * 2 / kPi * (std::sin(angle) + (kPi / 2 - angle) * cosine);
    case Nonlinearity::kExp:
      return std::exp(SquaredSum(x, y) / 2);
    case Nonlinearity::kGelu:
    case Nonlinearity::kSigmoid:
    default:
      break;
  }
  return std::nullopt;
}

}  // namespace

std::optional<double> ExpectedKernel(const FeatureSpec& spec, absl::Span<const double> x, absl::Span<const double> y) {
  const double half_dim = static_cast<double>(x.size()) / 2;
  const double half_norms = (SquaredNorm(x) + SquaredNorm(y)) / 2;
  switch (spec.kernel) {
    case Kernel::kSoftmax:
      return std::exp(Dot(x, y));
    case Kernel::kGaussian:
      return std::exp(-SquaredDistance(x, y) / 2);
    case Kernel::kSoftmaxRegularized:
      return spec.estimator == Estimator::kTrigonometric
                 ? std::exp(half_norms) * Hypergeometric0F1(half_dim, -half_dim * SquaredDistance(x, y) / 2)
                 : std::exp(-half_norms) * Hypergeometric0F1(half_dim, half_dim * SquaredSum(x, y) / 2);
    case Kernel::kGeneralized:
      return ExpectedGeneralized(spec.nonlinearity, x, y);
    default:
      return std::nullopt;
  }
}

double VarianceOfPositive(absl::Span<const double> x, absl::Span<const double> y, int64_t num_rows) {
  const double s = SquaredSum(x, y);
  const double kernel = std::exp(Dot(x, y));
  return std::exp(s) * kernel * kernel * (1 - std::exp(-s)) / static_cast<double>(num_rows);
}

double VarianceOfHyperbolic(absl::Span<const double> x, absl::Span<const double> y, int64_t num_rows) {
  return (1 - std::exp(-SquaredSum(x, y))) / 2 * VarianceOfPositive(x, y, num_rows);
}

double VarianceOfTrigonometric(absl::Span<const double> x, absl::Span<const double> y, int64_t num_rows) {
  const double kernel = std::exp(Dot(x, y));
  const double gap = 1 - std::exp(-SquaredDistance(x, y));
  return std::exp(SquaredSum(x, y)) / (kernel * kernel) * gap * gap / (2 * static_cast<double>(num_rows));
}

double SquaredSum(absl::Span<const double> x, absl::Span<const double> y) {
  return SquaredNorm(x) + SquaredNorm(y) + 2 * Dot(x, y);
}

double SquaredDistance(absl::Span<const double> x, absl::Span<const double> y) {
  return SquaredNorm(x) + SquaredNorm(y) - 2 * Dot(x, y);
}

}  // namespace favor::testing
