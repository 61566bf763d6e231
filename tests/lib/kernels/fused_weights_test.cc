#include "favor/kernels/fused_weights.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "favor/kernels/exponential.h"
#include "favor/kernels/matmul.h"
#include "favor/kernels/sums.h"
#include "favor/kernels/tile.h"
#include "tests/lib/kernels/every_target.h"

namespace favor::kernels {
namespace {

// Rows of a projection with a tile of inputs, of any size.
struct Sizes {
  int64_t rows, depth, stride, cols;
};

class FusedWeightsTest : public EveryTarget {
 protected:
  Sizes AnySizes(int64_t most_columns) {
    const int64_t stride = kTile * Integer(1, most_columns / kTile);
    return {Integer(1, 150), Integer(1, 90), stride, kPad * Integer(1, stride / kPad)};
  }
  std::vector<float> PackedRows(const Sizes& s, float deviation) {
    const std::vector<float> rows = Normal(s.rows * s.depth, deviation);
    std::vector<float> panels(PanelRowCount(s.rows) * s.depth, NAN);
    PackPanels(rows.data(), s.depth, s.rows, s.depth, panels.data());
    return panels;
  }
  std::vector<float> Fractions(int64_t count) {
    std::vector<float> values(count);
    std::uniform_real_distribution<float> uniform(-0.5f, 0.5f);
    for (float& value : values) value = uniform(random_);
    return values;
  }
  std::vector<float> WholeNumbers(int64_t count, int64_t low, int64_t high) {
    std::vector<float> values(count);
    for (float& value : values) value = Integer(low, high);
    return values;
  }
};
FAVOR_ON_EVERY_TARGET(FusedWeightsTest);

TEST_P(FusedWeightsTest, KeyWeightsAreThoseOfTheGeneralPassesBitForBit) {
  int shortcuts = 0;
  for (int trial = 0; trial < 60; ++trial) {
    const Sizes s = AnySizes(kFoldTile);
    const std::vector<float> panels = PackedRows(s, trial % 3 == 0 ? 4 : 0.5), x = Normal(s.depth * s.stride);
    const std::vector<float> fraction = Fractions(s.stride), no_fraction(s.stride);
    std::vector<float> whole = WholeNumbers(s.stride, -90, 0);
    std::vector<float> maxima = WholeNumbers(s.rows, -20, 0);
    std::fill(whole.end() - Integer(0, 20), whole.end(), kNoExponent);
    const Panels w{panels.data(), s.rows, s.depth};
    const int64_t size = PanelRowCount(s.rows) * s.stride;
    std::vector<float> fused(size, -7.0f), general(size), sums(s.rows), excess(s.stride);
    const bool good = ProjectKeyWeights(w, x.data(), s.stride, s.cols, fraction.data(), whole.data(), maxima.data(),
                                        fused.data(), sums.data());
    Project(w, x.data(), s.stride, s.stride, fraction.data(), general.data());
    KeyWeights(general.data(), s.rows, s.stride, s.cols, no_fraction.data(), whole.data(), maxima.data(),
               excess.data());
    ASSERT_EQ(good, *std::max_element(excess.begin(), excess.begin() + s.cols) <= kMaxRise);
    if (!good) continue;
    ++shortcuts;
    std::vector<float> exact_sums(s.rows), compensation(s.rows);
    AddRowSums(general.data(), s.rows, s.stride, 0, s.cols, exact_sums.data(), compensation.data());
    for (int64_t r = 0; r < s.rows; ++r) {
      for (int64_t t = 0; t < s.stride; ++t) {
        ASSERT_EQ(fused[r * s.stride + t], t < s.cols ? general[r * s.stride + t] : -7.0f) << r << ", " << t;
      }
      ASSERT_EQ(sums[r], exact_sums[r]);
    }
  }
  EXPECT_GT(shortcuts, 20);
}

TEST_P(FusedWeightsTest, ARowWithoutAMaximumTakesTheExponentOfItsFirstKey) {
  for (int trial = 0; trial < 20; ++trial) {
    const Sizes s = AnySizes(kFoldTile);
    const std::vector<float> panels = PackedRows(s, 0.5), x = Normal(s.depth * s.stride),
                             fraction = Fractions(s.stride);
    const std::vector<float> whole = WholeNumbers(s.stride, -5, 5);
    const Panels w{panels.data(), s.rows, s.depth};
    std::vector<float> expected = WholeNumbers(s.rows, -5, 5), u(PanelRowCount(s.rows) * s.stride);
    Project(w, x.data(), s.stride, s.cols, fraction.data(), u.data());
    std::vector<float> maxima = expected;
    for (int64_t r = 0; r < s.rows; r += 2) {
      maxima[r] = kNoExponent;
      expected[r] = std::nearbyint(u[r * s.stride]) + whole[0];
    }
    std::vector<float> weights(u.size()), known(u.size()), sums(s.rows);
    ASSERT_TRUE(ProjectKeyWeights(w, x.data(), s.stride, s.cols, fraction.data(), whole.data(), maxima.data(),
                                  weights.data(), sums.data()));
    EXPECT_EQ(maxima, expected);
    for (int64_t r = 0; r < s.rows; r += 2) EXPECT_GE(sums[r], std::sqrt(0.5f)) << r;
    ASSERT_TRUE(ProjectKeyWeights(w, x.data(), s.stride, s.cols, fraction.data(), whole.data(), expected.data(),
                                  known.data(), sums.data()));
    EXPECT_EQ(weights, known);
  }
}

TEST_P(FusedWeightsTest, QueryWeightsAreThoseOfTheGeneralPassesBitForBit) {
  int shortcuts = 0;
  for (int trial = 0; trial < 60; ++trial) {
    Sizes s = AnySizes(kTile);
    const std::vector<float> panels = PackedRows(s, trial % 4 == 0 ? 6 : 0.7), x = Normal(s.depth * s.stride);
    const std::vector<float> maxima = WholeNumbers(s.rows, -9, 9), key_sums = Normal(s.rows);
    const Panels w{panels.data(), s.rows, s.depth};
    const int64_t size = PanelRowCount(s.rows) * s.stride;
    std::vector<float> fused(size, -7.0f), general(size), guess(kTile), denominators(kTile), exact(kTile);
    GuessQueryMaxima(x.data(), s.depth, s.stride, s.stride, maxima.data(), s.rows, guess.data());
    const bool good = ProjectQueryWeights(w, x.data(), s.stride, s.cols, maxima.data(), key_sums.data(), guess.data(),
                                          fused.data(), denominators.data());
    if (!good) continue;
    ++shortcuts;
    Project(w, x.data(), s.stride, s.stride, nullptr, general.data());
    QueryWeights(general.data(), s.rows, maxima.data(), key_sums.data(), true, guess.data(), exact.data());
    for (int64_t t = 0; t < s.cols; ++t) {
      ASSERT_EQ(denominators[t], exact[t]);
      for (int64_t r = 0; r < s.rows; ++r) {
        ASSERT_EQ(fused[r * s.stride + t], general[r * s.stride + t]) << r << ", " << t;
      }
    }
  }
  EXPECT_GT(shortcuts, 20);
}

TEST_P(FusedWeightsTest, StructuredProjectionsGiveTheGeneralPassesWeightsToo) {
  for (const int64_t size : {32, 128, 512}) {
    const int64_t rows = 2 * size - 1 - 2 * Integer(0, size / 2 - 1), depth = size - Integer(0, size / 2 - 1);
    const int64_t stride = kTile, cols = kPad * Integer(1, 3);
    std::vector<float> signs(2 * 3 * size), scales = Normal(2 * size, std::pow(size, -1.5f));
    for (float& sign : signs) sign = Integer(0, 1) == 0 ? 1 : -1;
    const Projector w = HadamardBlocks{signs.data(), scales.data(), size, rows, depth};
    const std::vector<float> x = Normal(depth * stride), fraction = Fractions(stride), no_fraction(stride);
    const std::vector<float> whole = WholeNumbers(stride, -20, 0);
    std::vector<float> maxima = WholeNumbers(rows, -5, 0);
    std::vector<float> fused(w.padded_rows() * stride), general(fused.size()), sums(rows), excess(stride);
    ASSERT_TRUE(ProjectKeyWeights(w, x.data(), stride, cols, fraction.data(), whole.data(), maxima.data(), fused.data(),
                                  sums.data()));
    w.Project(x.data(), stride, cols, fraction.data(), general.data());
    KeyWeights(general.data(), rows, stride, cols, no_fraction.data(), whole.data(), maxima.data(), excess.data());
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t t = 0; t < cols; ++t) ASSERT_EQ(fused[r * stride + t], general[r * stride + t]) << size;
    }
  }
}

// Of the tokens of a tile, those with a good guess keep it whatever the others do.
TEST_P(FusedWeightsTest, AGuessIsJudgedTokenByToken) {
  const int64_t rows = 20;
  const std::vector<float> u = Normal(rows * kTile, 3), maxima = WholeNumbers(rows, -3, 3), key_sums(rows, 1.0f);
  std::vector<float> good(kTile, 9.0f), mixed = good, denominators(kTile);
  for (int64_t t = 0; t < kTile; t += 5) mixed[t] = -400;
  std::vector<float> expected = u, got = u;
  QueryWeights(expected.data(), rows, maxima.data(), key_sums.data(), true, good.data(), denominators.data());
  QueryWeights(got.data(), rows, maxima.data(), key_sums.data(), true, mixed.data(), denominators.data());
  for (int64_t t = 0; t < kTile; ++t) {
    if (t % 5 == 0) {
      EXPECT_NE(mixed[t], -400);
      continue;
    }
    EXPECT_EQ(mixed[t], good[t]);
    for (int64_t r = 0; r < rows; ++r) ASSERT_EQ(got[r * kTile + t], expected[r * kTile + t]);
  }
}

TEST_P(FusedWeightsTest, WhatIsOutOfRangeIsLeftToTheGeneralPasses) {
  const Sizes s{.rows = 7, .depth = 3, .stride = kTile, .cols = kTile};
  std::vector<float> panels(PanelRowCount(s.rows) * s.depth, 1.0f), x(s.depth * s.stride, 0.1f);
  std::vector<float> weights(PanelRowCount(s.rows) * s.stride), sums(s.rows), denominators(kTile);
  const std::vector<float> zeros(kTile), ones(kTile, 1.0f);
  const auto keys = [&](std::vector<float> whole, std::vector<float> maxima) {
    return ProjectKeyWeights(Panels{panels.data(), s.rows, s.depth}, x.data(), s.stride, s.cols, zeros.data(),
                             whole.data(), maxima.data(), weights.data(), sums.data());
  };
  const auto queries = [&](std::vector<float> maxima, std::vector<float> guess) {
    return ProjectQueryWeights(Panels{panels.data(), s.rows, s.depth}, x.data(), s.stride, s.cols, maxima.data(),
                               ones.data(), guess.data(), weights.data(), denominators.data());
  };
  std::vector<float> maxima(s.rows), whole(kTile), guess(kTile);
  EXPECT_TRUE(keys(whole, maxima));
  EXPECT_TRUE(queries(maxima, guess));
  for (const float huge : {1.5e6f, -1.5e6f, 1e13f}) {
    whole[17] = huge;
    EXPECT_FALSE(keys(whole, maxima)) << huge;
    whole[17] = 0;
    maxima[6] = huge;
    EXPECT_FALSE(keys(whole, maxima)) << huge;
    EXPECT_FALSE(queries(maxima, guess)) << huge;
    maxima[6] = 0;
    guess[47] = huge;
    EXPECT_FALSE(queries(maxima, guess)) << huge;
    guess[47] = 0;
  }
  // A |u| from 2^22 on is not rounded to a whole number, even where maxima and guess cancel it.
  for (int64_t l = 0; l < s.depth; ++l) x[l * s.stride + 5] = 4194307.0f / 3;
  std::fill(maxima.begin(), maxima.end(), -1e6f);
  guess[5] = 1e6f;
  EXPECT_FALSE(queries(maxima, guess)) << "beyond the rounding";
  std::fill(maxima.begin(), maxima.end(), 0.0f);
  guess[5] = 0;
  for (int64_t l = 0; l < s.depth; ++l) x[l * s.stride + 5] = 0.1f;
  maxima[0] = kNoExponent;
  EXPECT_TRUE(keys(whole, maxima)) << "an empty state";
  whole[0] = kNoExponent;
  EXPECT_FALSE(keys(whole, maxima)) << "an empty state, and no first key to fill it";
  whole[0] = maxima[0] = 0;
  guess[3] = 65;
  EXPECT_FALSE(queries(maxima, guess)) << "a guess far too high";
  guess[3] = -20;
  EXPECT_FALSE(queries(maxima, guess)) << "a guess too low";
  guess[3] = 0;
  for (const float u : {31.0f, 200.0f, 5e6f, 1e30f, INFINITY, NAN}) {
    for (int64_t l = 0; l < s.depth; ++l) x[l * s.stride + 21] = u / 3;
    EXPECT_FALSE(keys(whole, maxima)) << u;
    EXPECT_FALSE(queries(maxima, guess)) << u;
  }
}

TEST_P(FusedWeightsTest, GuessesOfNormalInputsAreGood) {
  for (const float scale : {0.1f, 1.0f, 3.0f}) {
    const Sizes s{.rows = 256, .depth = 64, .stride = kTile, .cols = kTile};
    // As attention has it: inputs of N(0, scale^2) times d^(-1/4) log2(e), rows of N(0, 1).
    const std::vector<float> panels = PackedRows(s, 1), x = Normal(s.depth * s.stride, scale * 0.51f);
    const std::vector<float> maxima = WholeNumbers(s.rows, -4, 4), key_sums(s.rows, 1.0f);
    std::vector<float> weights(PanelRowCount(s.rows) * s.stride), guess(kTile), denominators(kTile);
    GuessQueryMaxima(x.data(), s.depth, s.stride, s.cols, maxima.data(), s.rows, guess.data());
    EXPECT_TRUE(ProjectQueryWeights(Panels{panels.data(), s.rows, s.depth}, x.data(), s.stride, s.cols, maxima.data(),
                                    key_sums.data(), guess.data(), weights.data(), denominators.data()))
        << scale;
  }
}

}  // namespace
}  // namespace favor::kernels
