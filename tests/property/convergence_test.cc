// Features approximate exact softmax attention, better the more there are.
#include <cmath>

#include "gtest/gtest.h"
#include "tests/support/attention_case.h"
#include "tests/support/errors.h"
#include "tests/support/implementation.h"
#include "tests/support/served_maps.h"

namespace favor::testing {
namespace {

constexpr int kNumDraws = 60;

FeatureSpec Softmax(Estimator estimator) {
  FeatureSpec spec;
  spec.estimator = estimator;
  return spec;
}

// Root mean square over draws of the error against exact attention.
double ErrorWith(const FeatureSpec& features, int64_t num_rows, ProjectionKind kind) {
  AttentionSpec spec;
  spec.features = features;
  // Small inputs: the regime in which the law of large numbers shows at these sizes.
  AttentionCase attention_case = GaussianCase(spec, {1, 1, 1, 16, 64, 16, 8}, nullptr, 107, 0.5);
  AttentionCase exact = attention_case;
  exact.spec = {};
  exact.spec.mode = AttentionMode::kExact;
  const DoubleTensor expected = Compute(OracleAttention(), exact)->output;
  double sum = 0;
  for (int draw = 0; draw < kNumDraws; ++draw) {
    ProjectionSpec projection_spec;
    projection_spec.kind = kind;
    projection_spec.seed = draw;
    projection_spec.num_features = num_rows;
    projection_spec.head_dim = 16;
    attention_case.projection = DrawProjection(projection_spec).value();
    const double error = FrobeniusError(Compute(LibraryAttention(), attention_case).value().output, expected);
    sum += error * error;
  }
  return std::sqrt(sum / kNumDraws);
}

class ConvergenceOf : public ::testing::TestWithParam<Estimator> {};

TEST_P(ConvergenceOf, ErrorFallsAsOneOverTheRootOfTheNumberOfFeatures) {
  const FeatureSpec features = Softmax(GetParam());
  for (const ProjectionKind kind : {ProjectionKind::kIid, ProjectionKind::kOrthogonal}) {
    const double ratio = ErrorWith(features, 64, kind) / ErrorWith(features, 1024, kind);
    // sqrt(1024/64) = 4; the spread of a root mean square over 60 draws is some 5%.
    EXPECT_GE(ratio, 3.3);
    EXPECT_LE(ratio, 4.8);
  }
}

INSTANTIATE_TEST_SUITE_P(, ConvergenceOf,
                         ::testing::Values(Estimator::kPositive, Estimator::kHyperbolic, Estimator::kTrigonometric),
                         [](const auto& info) {
                           AttentionSpec spec;
                           spec.features.estimator = info.param;
                           return NameOf(spec);
                         });

TEST(Convergence, IsTowardsExactAttention) {
  // 0.020 when this was written, 1/16 of the error with 64 features.
  EXPECT_LE(ErrorWith(Softmax(Estimator::kPositive), 16384, ProjectionKind::kOrthogonal), 0.025);
}

TEST(Convergence, HyperbolicBeatsPositiveWithAsManyRows) {
  const double positive = ErrorWith(Softmax(Estimator::kPositive), 128, ProjectionKind::kIid);
  const double hyperbolic = ErrorWith(Softmax(Estimator::kHyperbolic), 128, ProjectionKind::kIid);
  // Twice the features, and sums of pairs vary less than independent ones: 0.72 when this was written.
  EXPECT_LT(hyperbolic, 0.8 * positive);
}

}  // namespace
}  // namespace favor::testing
