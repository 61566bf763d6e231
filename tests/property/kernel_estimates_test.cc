// What features estimate, on average and with what variance, over the library's own draws.
#include <cmath>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/support/laws/projection.h"
#include "tests/support/oracle/closed_forms.h"
#include "tests/support/oracle/features.h"
#include "tests/support/oracle/fitted.h"
#include "tests/support/random.h"
#include "tests/support/served_maps.h"

namespace favor::testing {
namespace {

constexpr int64_t kHeadDim = 8;
constexpr int64_t kNumDraws = 4000;

struct Estimate {
  ServedMap map;
  ProjectionKind kind = ProjectionKind::kOrthogonal;
};

std::vector<Estimate> AllEstimates() {
  std::vector<Estimate> estimates;
  const std::vector<double> x(kHeadDim, 0.1);
  for (const ServedMap& map : ServedMaps()) {
    if (!map.takes_projection || map.structured || !ExpectedKernel(map.spec.features, x, x).has_value()) continue;
    estimates.push_back({map, ProjectionKind::kOrthogonal});
    // The kernel of rows of norm sqrt(d) has no closed form for rows of another kind.
    if (map.spec.features.kernel == Kernel::kSoftmaxRegularized) continue;
    estimates.push_back({map, ProjectionKind::kIid});
    estimates.push_back({map, ProjectionKind::kSimplex});
  }
  return estimates;
}

class KernelEstimate : public ::testing::TestWithParam<Estimate> {};

TEST_P(KernelEstimate, IsUnbiased) {
  const auto& [map, kind] = GetParam();
  FeatureSpec features = map.spec.features;
  features.statistics = RandomStatistics(features, kHeadDim, 1, 127);
  ProjectionSpec projection_spec;
  projection_spec.kind = kind;
  // One block and a half: a block that is cut must be unbiased too.
  projection_spec.num_features = kHeadDim + kHeadDim / 2;
  if (features.kernel == Kernel::kSoftmaxRegularized) projection_spec.row_norms = RowNorms::kSqrtDim;
  // The kernel of kGeneralized is given per feature, of which the estimate is a sum.
  const double per_row = features.kernel == Kernel::kGeneralized ? projection_spec.num_features : 1;
  Random random(109);
  for (const double norm : {0.3, 0.8}) {
    const std::vector<double> x = random.GaussianVector(kHeadDim, norm / std::sqrt(kHeadDim));
    const std::vector<double> y = random.GaussianVector(kHeadDim, norm / std::sqrt(kHeadDim));
    const std::vector<double> estimates = KernelEstimates(LibraryDraws(), projection_spec, features, x, y, kNumDraws);
    const Verdict verdict = EstimatesAreUnbiased(estimates, per_row * *ExpectedKernel(features, x, y));
    EXPECT_TRUE(verdict.holds) << "norm " << norm << ": " << verdict;
  }
}

INSTANTIATE_TEST_SUITE_P(, KernelEstimate, ::testing::ValuesIn(AllEstimates()), [](const auto& info) {
  return absl::StrCat(info.param.map.name, info.param.kind == ProjectionKind::kIid       ? "Iid"
                                           : info.param.kind == ProjectionKind::kSimplex ? "Simplex"
                                                                                         : "Orthogonal");
});

// Structured rows are no Haar rotation, so 4 standard errors are counted from the ends of a band of 1%. How small the
// bias of the softmax kernel is, is measured without this noise where the draws are tested.
class StructuredKernelEstimate : public ::testing::TestWithParam<ServedMap> {};

TEST_P(StructuredKernelEstimate, IsBiasedByOnePercentAtMost) {
  FeatureSpec features = GetParam().spec.features;
  features.statistics = RandomStatistics(features, kHeadDim, 1, 127);
  ProjectionSpec projection_spec;
  projection_spec.kind = ProjectionKind::kStructured;
  projection_spec.num_features = 2 * StructuredSize(kHeadDim) + kHeadDim;
  if (features.kernel == Kernel::kSoftmaxRegularized) projection_spec.row_norms = RowNorms::kSqrtDim;
  const double per_row = features.kernel == Kernel::kGeneralized ? projection_spec.num_features : 1;
  Random random(109);
  std::vector<std::pair<std::vector<double>, std::vector<double>>> points;
  std::vector<double> x(kHeadDim), y(kHeadDim), z(kHeadDim);
  x[0] = 0.5;
  y[0] = 0.25;
  z[1] = 0.5;
  points.push_back({x, y});  // on one axis
  points.push_back({x, z});  // each on its own
  points.push_back({random.GaussianVector(kHeadDim, 0.2), random.GaussianVector(kHeadDim, 0.2)});
  for (size_t i = 0; i < points.size(); ++i) {
    const auto& [point_x, point_y] = points[i];
    const Moments moments =
        MomentsOf(KernelEstimates(LibraryDraws(), projection_spec, features, point_x, point_y, 1700));
    // Rows of norm sqrt(d) are those of the padded size, whose kernel is that of padded inputs.
    std::vector<double> padded_x = point_x, padded_y = point_y;
    padded_x.resize(StructuredSize(kHeadDim));
    padded_y.resize(StructuredSize(kHeadDim));
    const double kernel = per_row * *ExpectedKernel(features, padded_x, padded_y);
    EXPECT_NEAR(moments.mean, kernel, 0.01 * std::abs(kernel) + 4 * moments.standard_error()) << "point " << i;
  }
}

std::vector<ServedMap> MapsWithKernels() {
  std::vector<ServedMap> maps;
  for (const Estimate& estimate : AllEstimates()) {
    if (estimate.kind == ProjectionKind::kOrthogonal) maps.push_back(estimate.map);
  }
  return maps;
}

INSTANTIATE_TEST_SUITE_P(, StructuredKernelEstimate, ::testing::ValuesIn(MapsWithKernels()),
                         [](const auto& info) { return info.param.name; });

FeatureSpec Softmax(Estimator estimator) {
  FeatureSpec spec;
  spec.estimator = estimator;
  return spec;
}

ProjectionSpec Rows(ProjectionKind kind, int64_t num_rows) {
  ProjectionSpec spec;
  spec.kind = kind;
  spec.num_features = num_rows;
  return spec;
}

TEST(KernelEstimateAlongTheDiagonal, IsUnbiasedWhereARawQrIsNot) {
  for (const int64_t head_dim : {16, 64}) {
    const std::vector<double> estimates =
        KernelEstimates(LibraryDraws(), Rows(ProjectionKind::kOrthogonal, head_dim), Softmax(Estimator::kPositive),
                        DiagonalPoint(head_dim, 0.5), DiagonalPoint(head_dim, 0.5), head_dim == 16 ? 4000 : 1000);
    const Verdict verdict = EstimatesAreUnbiased(estimates, std::exp(1.5 * 1.5 / 4));
    EXPECT_TRUE(verdict.holds) << "head_dim " << head_dim << ": " << verdict;
  }
}

TEST(KernelEstimateVariance, IsThatOfLemma2) {
  constexpr int64_t kNumRows = 16;
  Random random(113);
  const std::vector<double> x = random.GaussianVector(kHeadDim, 0.25);
  const std::vector<double> y = random.GaussianVector(kHeadDim, 0.25);
  const auto variance_of = [&](Estimator estimator) {
    return MomentsOf(
               KernelEstimates(LibraryDraws(), Rows(ProjectionKind::kIid, kNumRows), Softmax(estimator), x, y, 20000))
        .variance;
  };
  // A sample variance of 20,000 draws is good to some 2% here (the kurtosis of a sum of 16 log-normals is about 6).
  EXPECT_NEAR(variance_of(Estimator::kPositive) / VarianceOfPositive(x, y, kNumRows), 1, 0.08);
  EXPECT_NEAR(variance_of(Estimator::kHyperbolic) / VarianceOfHyperbolic(x, y, kNumRows), 1, 0.08);
  EXPECT_NEAR(variance_of(Estimator::kTrigonometric) / VarianceOfTrigonometric(x, y, kNumRows), 1, 0.08);
}

TEST(KernelEstimateVariance, OfOprfIsThatOfItsClosedForm) {
  constexpr int64_t kNumRows = 16;
  Random random(117);
  const std::vector<double> x = random.GaussianVector(kHeadDim, 0.25);
  const std::vector<double> y = random.GaussianVector(kHeadDim, 0.25);
  for (const double proposal : {-0.02, -0.08}) {
    FeatureSpec features = Softmax(Estimator::kOprf);
    features.statistics = std::make_shared<const Statistics>(Statistics{{{{}, {}, {proposal}}}});
    const double kernel = std::exp(Dot(x, y));
    const double variance =
        MomentsOf(KernelEstimates(LibraryDraws(), Rows(ProjectionKind::kIid, kNumRows), features, x, y, 20000))
            .variance;
    const double expected = RelativeVarianceOfOprf(kHeadDim, proposal, SquaredSum(x, y), kNumRows);
    // As above: good to some 2%.
    EXPECT_NEAR(variance / (kernel * kernel) / expected, 1, 0.08) << "A = " << proposal;
  }
}

TEST(KernelEstimateVariance, OfOrthogonalRowsIsNotAboveThatOfIndependentOnesForShortSums) {
  for (const double square : {0.1, 0.5, 1.0}) {
    // x + y of square norm `square`, x and y at an angle.
    std::vector<double> x(kHeadDim, 0.0), y(kHeadDim, 0.0);
    x[0] = y[1] = std::sqrt(square / 2);
    for (const Estimator estimator : {Estimator::kPositive, Estimator::kHyperbolic}) {
      const auto variance_of = [&](ProjectionKind kind) {
        return MomentsOf(KernelEstimates(LibraryDraws(), Rows(kind, kHeadDim), Softmax(estimator), x, y, 10000))
            .variance;
      };
      // Two sample variances of 10,000 draws, each good to 3%.
      EXPECT_LE(variance_of(ProjectionKind::kOrthogonal), 1.06 * variance_of(ProjectionKind::kIid))
          << "|x + y|^2 = " << square;
    }
  }
}

// The point of simplices (SimRF): for positive features and sums that are not short, below orthogonal rows.
TEST(KernelEstimateVariance, OfSimplexRowsIsNotAboveThatOfOrthogonalOnes) {
  for (const double square : {0.5, 2.0}) {
    std::vector<double> x(kHeadDim, 0.0), y(kHeadDim, 0.0);
    x[0] = y[1] = std::sqrt(square / 2);
    const auto variance_of = [&](ProjectionKind kind) {
      return MomentsOf(
                 KernelEstimates(LibraryDraws(), Rows(kind, kHeadDim), Softmax(Estimator::kPositive), x, y, 10000))
          .variance;
    };
    EXPECT_LE(variance_of(ProjectionKind::kSimplex), 1.06 * variance_of(ProjectionKind::kOrthogonal))
        << "|x + y|^2 = " << square;
  }
}

TEST(KernelEstimateVariance, OfOrthogonalRowsIsVisiblyBelowThatOfIndependentOnes) {
  std::vector<double> x(kHeadDim, 0.0), y(kHeadDim, 0.0);
  x[0] = y[1] = std::sqrt(0.5);
  const auto variance_of = [&](ProjectionKind kind) {
    return MomentsOf(
               KernelEstimates(LibraryDraws(), Rows(kind, kHeadDim), Softmax(Estimator::kHyperbolic), x, y, 10000))
        .variance;
  };
  EXPECT_LT(variance_of(ProjectionKind::kOrthogonal), 0.95 * variance_of(ProjectionKind::kIid));
}

TEST(Draws, HaveAMeanDiagonalOfZero) {
  const Verdict verdict = DiagonalAveragesToZero(LibraryDraws(), 16, 2000);
  EXPECT_TRUE(verdict.holds) << verdict;
}

}  // namespace
}  // namespace favor::testing
