#include "favor/kernels/value_maps.h"

#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

#include "favor/kernels/tile.h"
#include "tests/lib/kernels/every_target.h"

namespace favor::kernels {
namespace {

class ValueMapsTest : public EveryTarget {
 protected:
  static constexpr int64_t kRows = 64;

  // |got - exact| <= relative |exact| + absolute |t|.
  void Check(const std::function<void(float*, int64_t)>& map, const std::function<double(double)>& exact,
             double relative, double absolute) {
    for (const float deviation : {0.01f, 1.0f, 10.0f, 300.0f}) {
      const std::vector<float> x = Normal(kRows * kTile, deviation);
      std::vector<float> y = x;
      map(y.data(), kRows);
      for (size_t i = 0; i < x.size(); ++i) {
        const double want = exact(x[i]);
        ASSERT_NEAR(y[i], want, relative * std::abs(want) + absolute * std::abs(x[i]) + 1e-37) << "at " << x[i];
      }
    }
  }
};
FAVOR_ON_EVERY_TARGET(ValueMapsTest);

constexpr double kUlp = 1.2e-7;

TEST_P(ValueMapsTest, NonlinearitiesKeepTheirStatedErrors) {
  Check(
      ReluMap, [](double t) { return t > 0 ? t : 0; }, kUlp, 0);
  Check(
      SquaredReluMap, [](double t) { return t > 0 ? t * t : 0; }, kUlp, 0);
  Check(
      AbsMap, [](double t) { return std::abs(t); }, kUlp, 0);
  // exp(-t) loses 2^-24 |t| to the rounding of its argument.
  Check(
      SigmoidMap, [](double t) { return 1 / (1 + std::exp(-std::max(t, -88.0))); }, 4 * kUlp, 0);
  Check(
      GeluMap, [](double t) { return 0.5 * t * std::erfc(-t * std::sqrt(0.5)); }, kUlp, 2e-7);
  Check(
      GeluTanhMap, [](double t) { return 0.5 * t * (1 + std::tanh(std::sqrt(2 / M_PI) * (t + 0.044715 * t * t * t))); },
      kUlp, 4e-7);
  Check(
      SiluMap, [](double t) { return t / (1 + std::exp(-std::max(t, -88.0))); }, 5 * kUlp, 0);
  Check(
      LeakyReluMap, [](double t) { return t > 0 ? t : 0.01 * t; }, 2 * kUlp, 0);
}

TEST_P(ValueMapsTest, SoftplusIsPositiveAndAccurate) {
  for (const float deviation : {0.01f, 1.0f, 20.0f, 300.0f}) {
    const std::vector<float> x = Normal(kRows * kTile, deviation);
    std::vector<float> y = x;
    SoftplusMap(y.data(), kRows);
    for (size_t i = 0; i < x.size(); ++i) {
      const double want = std::max(0.0f, x[i]) + std::log1p(std::exp(-std::abs(static_cast<double>(x[i]))));
      const double relative = 5 * kUlp + std::ldexp(std::max(0.0f, -x[i]), -23);
      ASSERT_NEAR(y[i], want, relative * want + 2e-38) << "at " << x[i];
      if (x[i] > -80) {
        ASSERT_GT(y[i], 0) << "at " << x[i];
      }
    }
  }
}

TEST_P(ValueMapsTest, EluPlusOneIsPositiveAndAccurate) {
  for (const float deviation : {0.01f, 1.0f, 20.0f}) {
    const std::vector<float> x = Normal(kRows * kTile, deviation);
    std::vector<float> y = x;
    EluPlusOneMap(y.data(), kRows);
    for (size_t i = 0; i < x.size(); ++i) {
      const double want = x[i] > 0 ? x[i] + 1.0 : std::exp(static_cast<double>(x[i]));
      ASSERT_NEAR(y[i] / want, 1, 4 * kUlp + std::ldexp(std::abs(x[i]), -23)) << "at " << x[i];
      if (x[i] > -80) {
        ASSERT_GT(y[i], 0);
      }
    }
  }
}

TEST_P(ValueMapsTest, CosineAndSineStandBelowEachOther) {
  for (const float deviation : {1.0f, 100.0f, 10000.0f}) {
    const std::vector<float> x = Normal(kRows * kTile, deviation);
    std::vector<float> y(2 * x.size());
    std::copy(x.begin(), x.end(), y.begin());
    CosineSineMap(y.data(), kRows);
    for (size_t i = 0; i < x.size(); ++i) {
      if (std::abs(x[i]) > 39000) continue;
      ASSERT_NEAR(y[i], std::cos(static_cast<double>(x[i])), 5e-7) << x[i];
      ASSERT_NEAR(y[x.size() + i], std::sin(static_cast<double>(x[i])), 5e-7) << x[i];
    }
  }
  std::vector<float> huge(2 * kTile, 1e12f);
  CosineSineMap(huge.data(), 1);
  for (const float value : huge) EXPECT_LE(std::abs(value), 1.0001f);
}

TEST_P(ValueMapsTest, QuadraticFeaturesMultiplyToTheirPolynomial) {
  for (const int64_t dim : {1, 2, 7, 33}) {
    const int64_t rows = 1 + dim + dim * (dim + 1) / 2;
    const std::vector<float> x = Normal(dim * kTile), y = Normal(dim * kTile);
    std::vector<float> fx(rows * kTile), fy(rows * kTile);
    QuadraticMap(x.data(), dim, 2.25f, 3.0f, 0.5f, fx.data());
    QuadraticMap(y.data(), dim, 2.25f, 3.0f, 0.5f, fy.data());
    for (int64_t t = 0; t < kTile; ++t) {
      double inner = 0, norms = 0, got = 0;
      for (int64_t l = 0; l < dim; ++l) {
        inner += static_cast<double>(x[l * kTile + t]) * y[l * kTile + t];
        norms += std::abs(static_cast<double>(x[l * kTile + t]) * y[l * kTile + t]);
      }
      for (int64_t r = 0; r < rows; ++r) got += static_cast<double>(fx[r * kTile + t]) * fy[r * kTile + t];
      EXPECT_NEAR(got, 2.25 + 3 * inner + 0.5 * inner * inner, 1e-6 * (1 + norms) * (1 + norms));
    }
  }
}

TEST_P(ValueMapsTest, TokenFactorsShiftExactlyByWholeExponents) {
  std::vector<float> fraction(kTile), whole(kTile), near(kTile), far(kTile);
  for (int64_t t = 0; t < kTile; ++t) {
    fraction[t] = -0.5f + static_cast<float>(t) / kTile;
    whole[t] = -5.0f - t;
  }
  TokenFactors(fraction.data(), whole.data(), -5, near.data());
  TokenFactors(fraction.data(), whole.data(), 15, far.data());
  for (int64_t t = 0; t < kTile; ++t) {
    EXPECT_NEAR(near[t] / std::exp2(static_cast<double>(fraction[t]) - t), 1, 1.3e-7);
    EXPECT_EQ(far[t], std::ldexp(near[t], -20));
  }
}

TEST_P(ValueMapsTest, ColumnsAreScaledAndDotted) {
  const std::vector<float> tile = Normal(kRows * kTile), factor = Normal(kTile), sums = Normal(kRows);
  std::vector<float> scaled = tile, dots(kTile);
  ScaleColumns(scaled.data(), kRows, factor.data());
  ColumnDots(tile.data(), kRows, sums.data(), dots.data());
  for (int64_t t = 0; t < kTile; ++t) {
    double exact = 0;
    for (int64_t r = 0; r < kRows; ++r) {
      EXPECT_EQ(scaled[r * kTile + t], tile[r * kTile + t] * factor[t]);
      exact += static_cast<double>(tile[r * kTile + t]) * sums[r];
    }
    EXPECT_NEAR(dots[t], exact, 1e-4);
  }
}

}  // namespace
}  // namespace favor::kernels
