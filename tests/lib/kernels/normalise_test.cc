#include "favor/kernels/normalise.h"

#include <cmath>
#include <vector>

#include "favor/kernels/tile.h"
#include "tests/lib/kernels/every_target.h"

namespace favor::kernels {
namespace {

class NormaliseTest : public EveryTarget {};
FAVOR_ON_EVERY_TARGET(NormaliseTest);

TEST_P(NormaliseTest, LayerNormIsThatOfTheFormula) {
  for (const int64_t dim : {1, 2, 3, 5, 16, 33, 384, 1024}) {
    std::vector<float> x = Normal(dim * kTile, 3);
    for (float& value : x) value += 2;
    const std::vector<float> gain = Normal(dim), bias = Normal(dim);
    std::vector<float> y(x.size());
    LayerNorm(x.data(), dim, gain.data(), bias.data(), 1e-5f, y.data());
    for (int64_t t = 0; t < kTile; ++t) {
      double mean = 0, variance = 0;
      for (int64_t l = 0; l < dim; ++l) mean += x[l * kTile + t] / static_cast<double>(dim);
      for (int64_t l = 0; l < dim; ++l) variance += std::pow(x[l * kTile + t] - mean, 2) / dim;
      for (int64_t l = 0; l < dim; ++l) {
        const double normal = (x[l * kTile + t] - mean) / std::sqrt(variance + 1e-5);
        const double bound = 1e-5 * (1 + std::abs(normal)) * (1 + std::abs(gain[l])) + 1e-6 * std::abs(bias[l]);
        ASSERT_NEAR(y[l * kTile + t], normal * gain[l] + bias[l], bound) << "dim " << dim;
      }
    }
    LayerNorm(x.data(), dim, gain.data(), bias.data(), 1e-5f, x.data());
    EXPECT_EQ(x, y) << "in place";
  }
}

TEST_P(NormaliseTest, LayerNormOfAConstantIsTheBias) {
  const std::vector<float> gain(7, 2.0f), bias = Normal(7);
  std::vector<float> x(7 * kTile, 1234.5f);
  LayerNorm(x.data(), 7, gain.data(), bias.data(), 1e-12f, x.data());
  for (int64_t l = 0; l < 7; ++l) ASSERT_EQ(x[l * kTile + 5], bias[l]);
}

TEST_P(NormaliseTest, RmsNormIsThatOfTheFormula) {
  for (const int64_t dim : {1, 2, 3, 5, 16, 33, 128, 1024, 8192}) {
    std::vector<float> x = Normal(dim * kTile, 3);
    for (int64_t l = 0; l < dim; ++l) x[l * kTile + 7] = 0;  // a token of zeros
    const std::vector<float> gain = Normal(dim);
    std::vector<float> y(x.size());
    RmsNorm(x.data(), dim, gain.data(), 1e-6f, y.data());
    const double bound = (static_cast<double>(dim) / 16 + 4) * std::pow(2, -23);
    for (int64_t t = 0; t < kTile; ++t) {
      double squares = 0;
      for (int64_t l = 0; l < dim; ++l) squares += std::pow(x[l * kTile + t], 2);
      const double root = std::sqrt(squares / static_cast<double>(dim) + static_cast<double>(1e-6f));
      for (int64_t l = 0; l < dim; ++l) {
        const double want = x[l * kTile + t] / root * gain[l];
        ASSERT_NEAR(y[l * kTile + t], want, bound * std::abs(want)) << "dim " << dim;
      }
    }
    RmsNorm(x.data(), dim, gain.data(), 1e-6f, x.data());
    EXPECT_EQ(x, y) << "in place";
  }
}

TEST_P(NormaliseTest, ScaleNormHasTheLengthOfItsGain) {
  for (const int64_t dim : {1, 3, 32, 130}) {
    std::vector<float> x = Normal(dim * kTile), y(x.size());
    for (int64_t l = 0; l < dim; ++l) x[l * kTile + 7] = 0;  // a token of zeros
    ScaleNorm(x.data(), dim, 1.5f, 1e-5f, y.data());
    for (int64_t t = 0; t < kTile; ++t) {
      double squares = 0, along = 0, length = 0;
      for (int64_t l = 0; l < dim; ++l) {
        squares += std::pow(y[l * kTile + t], 2);
        along += static_cast<double>(x[l * kTile + t]) * y[l * kTile + t];
        length += std::pow(x[l * kTile + t], 2);
      }
      ASSERT_NEAR(std::sqrt(squares), t == 7 ? 0 : 1.5, 1e-5);
      ASSERT_NEAR(along, 1.5 * std::sqrt(length), 1e-4 * (1 + std::sqrt(length)));
    }
  }
}

}  // namespace
}  // namespace favor::kernels
