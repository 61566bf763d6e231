#include "favor/feature_map/fit_anchors.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "favor/kernels/tile.h"
#include "gtest/gtest.h"
#include "tests/support/random.h"

namespace favor {
namespace {

using kernels::Padded;

constexpr int64_t kDim = 6;

FeatureSpec Spec(int64_t num_anchors, int64_t num_directions = 0) {
  FeatureSpec spec;
  spec.estimator = Estimator::kAnchors;
  spec.num_anchors = num_anchors;
  spec.num_directions = num_directions;
  return spec;
}

std::vector<float> Sample(testing::Random& random, int64_t count, const std::vector<std::vector<double>>& centres,
                          double spread) {
  std::vector<float> rows(count * Padded(kDim), 0.0f);
  for (int64_t t = 0; t < count; ++t) {
    for (int64_t l = 0; l < kDim; ++l) {
      rows[t * Padded(kDim) + l] = static_cast<float>(centres[t % centres.size()][l] + spread * random.Gaussian());
    }
  }
  return rows;
}

RowMoments KeysOf(double variance, double mean) {
  RowMoments keys;
  keys.count = 10;
  keys.origin.assign(kDim, mean);
  keys.sum.assign(kDim, 0.0);
  keys.products.assign(kDim * kDim, 0.0);
  for (int64_t l = 0; l < kDim; ++l) keys.products[l * kDim + l] = variance * 10 * static_cast<double>(l + 1);
  return keys;
}

TEST(FitAnchors, FindsClustersThatAreApart) {
  testing::Random random(1);
  std::vector<std::vector<double>> centres(5, std::vector<double>(kDim));
  for (auto& centre : centres) {
    for (double& value : centre) value = 20 * random.Gaussian();
  }
  const std::vector<float> rows = Sample(random, 300, centres, 0.01);
  const HeadStatistics fit = FitAnchors(Spec(5), {rows.data(), 300}, KeysOf(1, 2.5));
  ASSERT_EQ(fit.anchors.size(), 5 * kDim);
  for (const auto& centre : centres) {
    double least = 1e30;
    for (int64_t c = 0; c < 5; ++c) {
      double distance = 0;
      for (int64_t l = 0; l < kDim; ++l) distance += std::pow(fit.anchors[c * kDim + l] - centre[l], 2);
      least = std::min(least, distance);
    }
    EXPECT_LT(std::sqrt(least), 0.02);
  }
  for (const double shift : fit.key_shift) EXPECT_DOUBLE_EQ(shift, 2.5);
}

TEST(FitAnchors, MeasuresInTheMetricOfTheKeys) {
  const HeadStatistics fit = FitAnchors(Spec(1), {nullptr, 0}, KeysOf(4, 0));
  // G'G is the covariance, diagonal here, up to its size: 1 : 2 : ... : 6.
  for (int64_t l = 0; l < kDim; ++l) {
    const double g = fit.query_transform[l * kDim + l];
    EXPECT_NEAR(g * g / (fit.query_transform[0] * fit.query_transform[0]), static_cast<double>(l + 1), 0.02);
  }
}

TEST(FitAnchors, FindsTheDirectionsInWhichQueriesAreOffTheirAnchors) {
  testing::Random random(7);
  constexpr int64_t kCount = 400;
  std::vector<float> rows(kCount * Padded(kDim), 0.0f);
  for (int64_t t = 0; t < kCount; ++t) {
    for (int64_t l = 0; l < kDim; ++l) {
      rows[t * Padded(kDim) + l] = static_cast<float>((l == 1 || l == 4 ? 3.0 : 0.1) * random.Gaussian());
    }
  }
  RowMoments keys = KeysOf(1, 0);
  for (int64_t l = 0; l < kDim; ++l) keys.products[l * kDim + l] = 10;
  const HeadStatistics fit = FitAnchors(Spec(1, 2), {rows.data(), kCount}, keys);
  ASSERT_EQ(fit.directions.size(), 2 * kDim);
  double in_plane = 0, dot = 0;
  for (int64_t l = 0; l < kDim; ++l) {
    dot += fit.directions[l] * fit.directions[kDim + l];
    if (l == 1 || l == 4) in_plane += std::pow(fit.directions[l], 2) + std::pow(fit.directions[kDim + l], 2);
  }
  EXPECT_NEAR(in_plane, 2, 1e-2);
  EXPECT_NEAR(dot, 0, 1e-12);
  EXPECT_EQ(FitAnchors(Spec(3, 32), {rows.data(), kCount}, keys).directions.size(), kDim * kDim);
}

TEST(FitAnchors, MakesNoMoreAnchorsThanThereAreRows) {
  testing::Random random(3);
  const std::vector<float> rows = Sample(random, 3, {std::vector<double>(kDim, 0.0)}, 1);
  EXPECT_EQ(FitAnchors(Spec(9), {rows.data(), 3}, KeysOf(1, 0)).anchors.size(), 3 * kDim);
  const HeadStatistics none = FitAnchors(Spec(9), {nullptr, 0}, KeysOf(1, 0));
  EXPECT_EQ(none.anchors, std::vector<double>(kDim, 0.0));
}

TEST(FitAnchors, RowsThatAreAllTheSameAreTheirOwnAnchors) {
  testing::Random random(5);
  const std::vector<float> rows = Sample(random, 40, {std::vector<double>(kDim, 7.0)}, 0);
  RowMoments keys = KeysOf(0, 0);  // which do not vary: no metric but the plain one
  for (const HeadStatistics& fit :
       {FitAnchors(Spec(4), {rows.data(), 40}, KeysOf(1, 0)), FitAnchors(Spec(4), {rows.data(), 40}, keys)}) {
    for (const double value : fit.anchors) EXPECT_NEAR(value, 7.0, 1e-6);
  }
}

}  // namespace
}  // namespace favor
