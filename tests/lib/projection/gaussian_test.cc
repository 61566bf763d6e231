#include "favor/projection/gaussian.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace favor::internal {
namespace {

constexpr int64_t kHeadDim = 512;

std::vector<double> Draw(BlockKey key, int64_t num_rows) {
  std::vector<double> values(num_rows * key.head_dim);
  for (int64_t r = 0; r < num_rows; ++r) {
    DrawGaussianRow(key, r, absl::MakeSpan(values).subspan(r * key.head_dim, key.head_dim));
  }
  return values;
}

// 1,048,576 numbers from several blocks, as projections are.
std::vector<double> Sample() {
  std::vector<double> sample;
  for (int64_t block = 0; block < 4; ++block) {
    const std::vector<double> values = Draw({12345, GaussianStream::kIid, kHeadDim, block}, 512);
    sample.insert(sample.end(), values.begin(), values.end());
  }
  return sample;
}

double Moment(const std::vector<double>& sample, int power) {
  double sum = 0;
  for (double value : sample) sum += std::pow(value, power);
  return sum / sample.size();
}

// Each bound is 4 standard errors of the mean of n powers of a normal: sqrt(Var(x^k) / n).
TEST(Gaussian, HasTheMomentsOfTheNormalDistribution) {
  const std::vector<double> sample = Sample();
  const double n = sample.size();
  EXPECT_NEAR(Moment(sample, 1), 0, 4 * std::sqrt(1 / n));
  EXPECT_NEAR(Moment(sample, 2), 1, 4 * std::sqrt(2 / n));
  EXPECT_NEAR(Moment(sample, 3), 0, 4 * std::sqrt(15 / n));
  EXPECT_NEAR(Moment(sample, 4), 3, 4 * std::sqrt(96 / n));
  EXPECT_NEAR(Moment(sample, 6), 15, 4 * std::sqrt((10395 - 225) / n));
}

TEST(Gaussian, PassesKolmogorovSmirnovAgainstTheNormalDistribution) {
  std::vector<double> sample = Sample();
  std::sort(sample.begin(), sample.end());
  const double n = sample.size();
  double distance = 0;
  for (size_t i = 0; i < sample.size(); ++i) {
    const double normal = std::erfc(-sample[i] / std::sqrt(2.0)) / 2;
    distance = std::max({distance, normal - i / n, (i + 1) / n - normal});
  }
  EXPECT_LT(distance * std::sqrt(n), 1.95);  // exceeded by chance once in 1000
}

TEST(Gaussian, NeighboursAreUncorrelated) {
  const std::vector<double> sample = Sample();
  // Within a pair, between pairs, between rows.
  for (int64_t lag : {int64_t{1}, int64_t{2}, int64_t{3}, kHeadDim - 1, kHeadDim, kHeadDim + 1}) {
    double sum = 0, sum_of_squares = 0;
    const int64_t n = sample.size() - lag;
    for (int64_t i = 0; i < n; ++i) {
      sum += sample[i] * sample[i + lag];
      sum_of_squares += sample[i] * sample[i] * sample[i + lag] * sample[i + lag];
    }
    EXPECT_NEAR(sum / n, 0, 4 / std::sqrt(n)) << "lag " << lag;
    // Pairs share a radius: were it wrong, squares would correlate. Var(x^2 y^2) = 8.
    EXPECT_NEAR(sum_of_squares / n, 1, 4 * std::sqrt(8.0 / n)) << "lag " << lag;
  }
}

TEST(Gaussian, EveryPartOfTheKeyChangesTheDraw) {
  const BlockKey key{1, GaussianStream::kIid, 6, 0};
  const std::vector<double> values = Draw(key, 2);
  std::vector<BlockKey> others(5, key);
  others[0].seed = 2;
  others[1].seed = 1 | uint64_t{1} << 32;
  others[2].stream = GaussianStream::kNorms;
  others[3].block = 1;
  others[4].head_dim = 7;
  for (const BlockKey& other : others) {
    for (double value : Draw(other, 2)) {
      EXPECT_EQ(std::count(values.begin(), values.end(), value), 0);
    }
  }
}

TEST(Gaussian, NoNumberComesTwiceInABlock) {
  for (int64_t head_dim : {7, 64}) {
    std::vector<double> values = Draw({3, GaussianStream::kDirections, head_dim, 9}, head_dim);
    std::sort(values.begin(), values.end());
    EXPECT_EQ(std::adjacent_find(values.begin(), values.end()), values.end()) << "head_dim " << head_dim;
  }
}

}  // namespace
}  // namespace favor::internal
