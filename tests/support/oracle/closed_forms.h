#ifndef FAVOR_TESTS_SUPPORT_ORACLE_CLOSED_FORMS_H_
#define FAVOR_TESTS_SUPPORT_ORACLE_CLOSED_FORMS_H_

#include <cstdint>
#include <optional>

#include "absl/types/span.h"
#include "favor/feature_map/feature_spec.h"

namespace favor::testing {

// E[phi(x).phi(y)] over Gaussian rows (kSoftmaxRegularized: rows uniform on the sphere of radius sqrt(d)), per feature
// for kGeneralized. Nothing where no closed form is known (GELU, sigmoid). In terms of t the angle between x and y:
//   kSoftmax             exp(x.y)
//   kGaussian            exp(-|x - y|^2/2)
//   kSoftmaxRegularized  exp(-(|x|^2 + |y|^2)/2) 0F1(d/2; d |x + y|^2/4); with trigonometric features
//                        exp((|x|^2 + |y|^2)/2) 0F1(d/2; -d |x - y|^2/4)
//   ReLU                 |x||y| (sin t + (pi - t) cos t) / (2 pi), the arc-cosine kernel of order 1 (Cho & Saul 2009)
//   squared ReLU         |x|^2|y|^2 (3 sin t cos t + (pi - t)(1 + 2 cos^2 t)) / (2 pi), that of order 2
//   abs                  |x||y| (2/pi) (sin t + (pi/2 - t) cos t)
//   exp                  exp(|x + y|^2/2)
std::optional<double> ExpectedKernel(const FeatureSpec& spec, absl::Span<const double> x, absl::Span<const double> y);

// Variances of estimates by num_rows independent Gaussian rows, Choromanski et al. 2021, Lemma 2.
double VarianceOfPositive(absl::Span<const double> x, absl::Span<const double> y, int64_t num_rows);
double VarianceOfHyperbolic(absl::Span<const double> x, absl::Span<const double> y, int64_t num_rows);
double VarianceOfTrigonometric(absl::Span<const double> x, absl::Span<const double> y, int64_t num_rows);

// |x + y|^2 and |x - y|^2.
double SquaredSum(absl::Span<const double> x, absl::Span<const double> y);
double SquaredDistance(absl::Span<const double> x, absl::Span<const double> y);

}  // namespace favor::testing

#endif  // FAVOR_TESTS_SUPPORT_ORACLE_CLOSED_FORMS_H_
