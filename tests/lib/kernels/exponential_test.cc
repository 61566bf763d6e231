#include "favor/kernels/exponential.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "favor/kernels/tile.h"
#include "tests/lib/kernels/every_target.h"

namespace favor::kernels {
namespace {

class ExponentialTest : public EveryTarget {
 protected:
  static constexpr int64_t kRows = 37;

  std::vector<float> WholeNumbers(int64_t count, int64_t low, int64_t high) {
    std::vector<float> values(count);
    for (float& value : values) value = Integer(low, high);
    return values;
  }
  std::vector<float> Fractions() {
    std::vector<float> values(kTile);
    std::uniform_real_distribution<float> uniform(-0.5f, 0.5f);
    for (float& value : values) value = uniform(random_);
    return values;
  }
};
FAVOR_ON_EVERY_TARGET(ExponentialTest);

// The interface's bound: 1.3e-7 for the power and 2^-24 |u| for the rounding of u + fraction.
double Bound(double u) { return 1.3e-7 + std::ldexp(std::abs(u) + 1, -24); }

TEST_P(ExponentialTest, KeyWeightsArePowersOfTwoWithinTheStatedError) {
  const std::vector<float> u = Normal(kRows * kTile, 20), fraction = Fractions();
  const std::vector<float> whole = WholeNumbers(kTile, -300, 300), maxima = WholeNumbers(kRows, -280, 280);
  std::vector<float> weights = u, excess(kTile);
  KeyWeights(weights.data(), kRows, kTile, kTile, fraction.data(), whole.data(), maxima.data(), excess.data());
  for (int64_t t = 0; t < kTile; ++t) {
    double largest = -1e30;
    for (int64_t r = 0; r < kRows; ++r) {
      const double exponent = static_cast<double>(u[r * kTile + t]) + fraction[t] + whole[t] - maxima[r];
      largest = std::max(largest, exponent);
      const double exact = std::exp2(std::clamp(exponent, -160.0, 127.0));
      if (exponent < -126.51) {
        EXPECT_EQ(weights[r * kTile + t], 0);
      } else if (exponent < -124) {
        EXPECT_LE(weights[r * kTile + t], std::ldexp(1.0, -123)) << "at the edge either";
      } else if (exponent < 127) {
        EXPECT_NEAR(weights[r * kTile + t] / exact, 1, Bound(u[r * kTile + t])) << exponent;
      }
    }
    EXPECT_NEAR(excess[t], largest, 0.51);
  }
}

TEST_P(ExponentialTest, AnotherMaximumOnlyShiftsTheExponent) {
  const std::vector<float> u = Normal(kRows * kTile, 5), fraction = Fractions();
  const std::vector<float> whole(kTile, -40.0f), low(kRows, -30.0f), high(kRows, -17.0f);
  std::vector<float> a = u, b = u, excess(kTile);
  KeyWeights(a.data(), kRows, kTile, kTile, fraction.data(), whole.data(), low.data(), excess.data());
  KeyWeights(b.data(), kRows, kTile, kTile, fraction.data(), whole.data(), high.data(), excess.data());
  for (int64_t i = 0; i < kRows * kTile; ++i) ASSERT_EQ(a[i], std::ldexp(b[i], 13));
}

TEST_P(ExponentialTest, AnAbsentTokenWeighsNothingAndIsNeverLoud) {
  std::vector<float> u = Normal(kRows * kTile), fraction(kTile), whole(kTile, kNoExponent), excess(kTile);
  const std::vector<float> maxima(kRows, -500.0f);
  KeyWeights(u.data(), kRows, kTile, kTile, fraction.data(), whole.data(), maxima.data(), excess.data());
  for (const float weight : u) EXPECT_EQ(weight, 0);
  for (const float value : excess) EXPECT_LT(value, 0);
}

TEST_P(ExponentialTest, RaisedMaximaCoverTheTokensAskedForAndNoOthers) {
  const std::vector<float> u = Normal(kRows * kTile, 30), fraction = Fractions(), whole(kTile, -3.0f);
  for (const float rise : {0.0f, 30.0f}) {
    const int64_t begin = Integer(0, kTile - 1), end = Integer(begin + 1, kTile);
    std::vector<float> maxima(kRows, -10.0f), shift(kRows);
    RaiseMaxima(u.data(), kRows, kTile, begin, end, fraction.data(), whole.data(), rise, maxima.data(), shift.data());
    for (int64_t r = 0; r < kRows; ++r) {
      double largest = -1e30;
      for (int64_t t = begin; t < end; ++t) {
        largest = std::max<double>(largest, std::nearbyint(u[r * kTile + t] + fraction[t]) + whole[t]);
      }
      const double expected = largest + 10 > rise ? largest : -10;
      EXPECT_EQ(maxima[r], expected);
      EXPECT_EQ(shift[r], -10 - expected);
    }
  }
}

TEST_P(ExponentialTest, QueryWeightsGiveTheRatioOfTheExactSums) {
  const std::vector<float> u = Normal(kRows * kTile, 40);
  const std::vector<float> maxima = WholeNumbers(kRows, -100, 100);
  std::vector<float> key_sums = Normal(kRows);
  for (float& sum : key_sums) sum = std::abs(sum) + 0.5f;
  std::vector<float> p = u, denominator(kTile), reference(kTile);
  QueryWeights(p.data(), kRows, maxima.data(), key_sums.data(), false, reference.data(), denominator.data());
  for (int64_t t = 0; t < kTile; ++t) {
    double largest = -1e30, sum = 0;
    for (int64_t r = 0; r < kRows; ++r) {
      largest = std::max<double>(largest, std::nearbyint(u[r * kTile + t]) + maxima[r]);
    }
    for (int64_t r = 0; r < kRows; ++r) {
      const double exact = std::exp2(static_cast<double>(u[r * kTile + t]) + maxima[r] - largest);
      sum += exact * key_sums[r];
      EXPECT_NEAR(p[r * kTile + t], exact, exact * Bound(u[r * kTile + t]) + 1e-37);
    }
    EXPECT_NEAR(denominator[t] / sum, 1, 2e-6);
    EXPECT_GT(denominator[t], 0.3) << "the largest weight is at least 2^-0.5 and its key sum 0.5";
  }
}

TEST_P(ExponentialTest, StabilisedWeightsFollowThePublishedFormula) {
  const std::vector<float> u = Normal(kRows * kTile, 6), offset = Normal(kTile, 3), factors = Normal(kRows);
  const std::vector<float> key_sums = Normal(kRows), epsilon(kTile, 1e-4f);
  for (const bool exponential : {false, true}) {
    std::vector<float> p = u, denominator(kTile), total(kTile);
    StabilisedQueryWeights(p.data(), kRows, exponential, offset.data(), epsilon.data(), factors.data(), key_sums.data(),
                           denominator.data(), total.data());
    for (int64_t t = 0; t < kTile; ++t) {
      double all = 0, dot = 0, magnitude = 0;
      for (int64_t r = 0; r < kRows; ++r) {
        const double x = u[r * kTile + t];
        const double feature = (exponential ? std::exp2(x - offset[t]) : x) + 1e-4;
        all += feature;
        dot += feature * factors[r] * key_sums[r];
        magnitude += std::abs(feature) * std::max(1.0, std::abs(factors[r] * static_cast<double>(key_sums[r])));
      }
      EXPECT_NEAR(total[t], all, 1e-5 * magnitude);
      EXPECT_NEAR(denominator[t], dot, 1e-5 * magnitude);
    }
  }
}

}  // namespace
}  // namespace favor::kernels
