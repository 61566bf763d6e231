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

HeadStatistics Fit(int64_t num_anchors, int64_t num_directions, const QuerySample& queries, const RowMoments& keys) {
  return FitAnchors({num_anchors}, num_directions, queries, keys)[0];
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
  const HeadStatistics fit = Fit(5, 0, {rows.data(), 300}, KeysOf(1, 2.5));
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
  const HeadStatistics fit = Fit(2, 0, {nullptr, 0}, KeysOf(4, 0));
  // G'G is the covariance, diagonal here, up to its size: 1 : 2 : ... : 6.
  for (int64_t l = 0; l < kDim; ++l) {
    const double g = fit.query_transform[l * kDim + l];
    EXPECT_NEAR(g * g / (fit.query_transform[0] * fit.query_transform[0]), static_cast<double>(l + 1), 0.02);
  }
}

TEST(FitAnchors, ASingleAnchorIsTheMeanOfTheQueries) {
  testing::Random random(3);
  const std::vector<float> rows = Sample(random, 90, {std::vector<double>(kDim, 4.0), std::vector<double>(kDim)}, 1);
  std::vector<double> mean(kDim);
  for (int64_t i = 0; i < 90 * Padded(kDim); ++i) {
    if (i % Padded(kDim) < kDim) mean[i % Padded(kDim)] += rows[i] / 90.0;
  }
  const HeadStatistics alone = Fit(1, 0, {rows.data(), 90}, KeysOf(1, 2.5));
  const HeadStatistics among = FitAnchors({1, 3}, 0, {rows.data(), 90}, KeysOf(1, 2.5))[0];
  for (int64_t l = 0; l < kDim; ++l) {
    EXPECT_NEAR(alone.anchors[l], mean[l], 1e-9);
    EXPECT_NEAR(among.anchors[l], mean[l], 1e-9);
    EXPECT_DOUBLE_EQ(alone.key_shift[l], 2.5);
    for (int64_t k = 0; k < kDim; ++k) EXPECT_EQ(alone.query_transform[k * kDim + l], k == l ? 1 : 0);
  }
}

TEST(FitAnchors, SeveralNumbersTogetherAreWhatEachIsAlone) {
  testing::Random random(4);
  std::vector<std::vector<double>> centres(7, std::vector<double>(kDim));
  for (auto& centre : centres) {
    for (double& value : centre) value = 3 * random.Gaussian();
  }
  const std::vector<float> rows = Sample(random, 200, centres, 1);
  const std::vector<int64_t> nums = {2, 3, 11, 500};
  const std::vector<HeadStatistics> levels = FitAnchors(nums, 2, {rows.data(), 200}, KeysOf(1, 0));
  ASSERT_EQ(levels.size(), nums.size());
  for (size_t level = 0; level < nums.size(); ++level) {
    const HeadStatistics alone = Fit(nums[level], 2, {rows.data(), 200}, KeysOf(1, 0));
    EXPECT_EQ(levels[level].anchors, alone.anchors) << nums[level];
    EXPECT_EQ(levels[level].directions, alone.directions) << nums[level];
    EXPECT_EQ(levels[level].query_transform, alone.query_transform) << nums[level];
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
  const HeadStatistics fit = Fit(1, 2, {rows.data(), kCount}, keys);
  ASSERT_EQ(fit.directions.size(), 2 * kDim);
  double in_plane = 0, dot = 0;
  for (int64_t l = 0; l < kDim; ++l) {
    dot += fit.directions[l] * fit.directions[kDim + l];
    if (l == 1 || l == 4) in_plane += std::pow(fit.directions[l], 2) + std::pow(fit.directions[kDim + l], 2);
  }
  EXPECT_NEAR(in_plane, 2, 1e-2);
  EXPECT_NEAR(dot, 0, 1e-12);
  EXPECT_EQ(Fit(3, 32, {rows.data(), kCount}, keys).directions.size(), kDim * kDim);
}

TEST(FitAnchors, MakesNoMoreAnchorsThanThereAreRows) {
  testing::Random random(3);
  const std::vector<float> rows = Sample(random, 3, {std::vector<double>(kDim, 0.0)}, 1);
  EXPECT_EQ(Fit(9, 0, {rows.data(), 3}, KeysOf(1, 0)).anchors.size(), 3 * kDim);
  const HeadStatistics none = Fit(9, 0, {nullptr, 0}, KeysOf(1, 0));
  EXPECT_EQ(none.anchors, std::vector<double>(kDim, 0.0));
}

TEST(FitAnchors, RowsThatAreAllTheSameAreTheirOwnAnchors) {
  testing::Random random(5);
  const std::vector<float> rows = Sample(random, 40, {std::vector<double>(kDim, 7.0)}, 0);
  RowMoments keys = KeysOf(0, 0);  // which do not vary: no metric but the plain one
  for (const HeadStatistics& fit : {Fit(4, 0, {rows.data(), 40}, KeysOf(1, 0)), Fit(4, 0, {rows.data(), 40}, keys)}) {
    for (const double value : fit.anchors) EXPECT_NEAR(value, 7.0, 1e-6);
  }
}

}  // namespace
}  // namespace favor
