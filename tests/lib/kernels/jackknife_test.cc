#include "favor/kernels/jackknife.h"

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "favor/kernels/tile.h"
#include "gtest/gtest.h"
#include "tests/lib/kernels/every_target.h"

namespace favor::kernels {
namespace {

// Contributions of blocks to the rows of a tile, some of the whole beside them.
struct Tile {
  Tile(int64_t stride, uint32_t seed)
      : stride(stride),
        own(num_blocks * kTile * stride),
        denominators(num_blocks * kTile),
        after(own.size()),
        sums(kTile * stride),
        whole(kTile) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    std::uniform_real_distribution<float> positive(0.1f, 2);
    for (float& value : own) value = normal(random);
    for (float& value : denominators) value = positive(random);
    for (int64_t t = 0; t < kTile; ++t) {
      whole[t] = positive(random);
      for (int64_t b = 0; b < num_blocks; ++b) whole[t] += denominators[b * kTile + t];
    }
    for (int64_t i = 0; i < kTile * stride; ++i) {
      float sum = 0;
      for (int64_t b = 0; b < num_blocks; ++b) after[b * kTile * stride + i] = sum += own[b * kTile * stride + i];
      sums[i] = sum + normal(random);
    }
  }

  HalfContributions Halves() const {
    return {after.data(), after.data() + kTile * stride, denominators.data(), stride};
  }

  double Variance(int64_t t) const {
    std::vector<std::vector<double>> without;
    for (int64_t b = 0; b < num_blocks; ++b) {
      std::vector<double> row;
      for (int64_t n = 0; n < stride; ++n) {
        row.push_back((double{sums[t * stride + n]} - own[(b * kTile + t) * stride + n]) /
                      (double{whole[t]} - denominators[b * kTile + t]));
      }
      without.push_back(row);
    }
    double variance = 0;
    for (int64_t n = 0; n < stride; ++n) {
      double mean = 0;
      for (const auto& row : without) mean += row[n] / static_cast<double>(num_blocks);
      for (const auto& row : without) variance += (row[n] - mean) * (row[n] - mean);
    }
    return variance * static_cast<double>(num_blocks - 1) / static_cast<double>(num_blocks);
  }

  static constexpr int64_t num_blocks = 2;
  int64_t stride;
  std::vector<float> own, denominators, after, sums, whole;
};

class Jackknife : public EveryTarget {};

TEST_P(Jackknife, IsTheVarianceOfLeavingOutOneHalf) {
  const Tile tile(2 * kPad, 3);
  std::vector<RowMoments> moments(kTile, {-1, -1, -1});
  JackknifeMoments(tile.Halves(), tile.sums.data(), tile.whole.data(), 5, 40, moments.data());
  for (int64_t t = 0; t < kTile; ++t) {
    if (t < 5 || t >= 40) {
      EXPECT_EQ(moments[t].variance, -1);
      continue;
    }
    EXPECT_NEAR(moments[t].variance, tile.Variance(t), 1e-3 * tile.Variance(t)) << "row " << t;
    double norm = 0;
    for (int64_t n = 0; n < tile.stride; ++n)
      norm += std::pow(double{tile.sums[t * tile.stride + n]} / tile.whole[t], 2);
    EXPECT_NEAR(moments[t].squared_norm, norm, 1e-5 * norm);
  }
}

TEST_P(Jackknife, OfRowsWithoutADenominatorIsZeroAndOfOneHalfAloneItsNorm) {
  Tile tile(kPad, 4);
  tile.whole[0] = 0;
  tile.whole[1] = -1;
  tile.whole[2] = std::numeric_limits<float>::infinity();
  tile.sums[3 * tile.stride] = std::numeric_limits<float>::infinity();
  tile.whole[4] = tile.denominators[4];
  tile.denominators[kTile + 4] = 0;
  std::vector<RowMoments> moments(kTile);
  JackknifeMoments(tile.Halves(), tile.sums.data(), tile.whole.data(), 0, kTile, moments.data());
  for (int64_t t = 0; t < 4; ++t) EXPECT_EQ(moments[t].variance, 0) << t;
  EXPECT_GT(moments[4].variance, 0.1f * moments[4].squared_norm);
}

FAVOR_ON_EVERY_TARGET(Jackknife);

}  // namespace
}  // namespace favor::kernels
