#ifndef FAVOR_TESTS_SUPPORT_ORACLE_FEATURES_H_
#define FAVOR_TESTS_SUPPORT_ORACLE_FEATURES_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "favor/feature_map/feature_spec.h"
#include "tests/support/oracle/projection_matrix.h"

namespace favor::testing {

// Features of one row, each sign * exp(log_magnitude): neither overflows nor underflows at any input scale. A feature
// that is zero has log_magnitude -infinity.
struct LogFeatures {
  std::vector<double> log_magnitude;
  std::vector<double> sign;

  void Push(double log, double feature_sign = 1);
  void PushValue(double value);  // any finite value
};

// Which side of the kernel a row is on: only kNoProjection tells them apart.
enum class Side { kQuery, kKey };

// The features of x, already scaled by sqrt(scale), without any epsilon, normalised so that the dot product of two
// rows' features estimates the kernel. With statistics, x is already transformed (fitted.h), and the proposal is that
// of their first head; without, estimators that need them are FAVOR+. kNoProjection: the causal form, softmax over the
// dims of a query, exp of a key.
LogFeatures FeaturesOf(const FeatureSpec& spec, absl::Span<const double> x, const ProjectionMatrix& projection,
                       Side side);

// f(t) of kGeneralized.
double Apply(Nonlinearity nonlinearity, double t);

double SquaredNorm(absl::Span<const double> x);
double Dot(absl::Span<const double> x, absl::Span<const double> y);

// sum of feature products, and of their magnitudes, both times exp(-log_scale).
struct ScaledSum {
  double log_scale = 0;  // -infinity when every product is zero
  double sum = 0;
  double magnitude = 0;
};
ScaledSum Product(const LogFeatures& query, const LogFeatures& key);

// The dot product of the features of x and y: an estimate of the kernel, or the kernel itself for maps that define it.
double KernelEstimate(const FeatureSpec& spec, absl::Span<const double> x, absl::Span<const double> y,
                      const ProjectionMatrix& projection);

}  // namespace favor::testing

#endif  // FAVOR_TESTS_SUPPORT_ORACLE_FEATURES_H_
