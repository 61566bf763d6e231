#include "favor/feature_map/feature_map.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "favor/kernels/tile.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace favor {
namespace {

using kernels::kTile;
using testing::HasSubstr;

constexpr int64_t kHeadDim = 8;

std::shared_ptr<const Projection> Draw(int64_t num_features, RowNorms norms = RowNorms::kChi) {
  ProjectionSpec spec;
  spec.num_features = num_features;
  spec.head_dim = kHeadDim;
  spec.row_norms = norms;
  spec.seed = 7;
  return *DrawProjection(spec);
}

// Features of one vector as plain numbers, the token's own factor included.
std::vector<double> Features(const FeatureMap& map, const std::vector<double>& x) {
  std::vector<float> tile(kHeadDim * kTile), features(map.num_features() * kTile);
  double norm = 0;
  for (int64_t l = 0; l < kHeadDim; ++l) {
    tile[l * kTile] = x[l] * map.input_multiplier();
    norm += std::pow(static_cast<double>(tile[l * kTile]), 2);
  }
  map.Map(0, tile.data(), features.data());
  std::vector<double> result;
  for (int64_t r = 0; r < map.num_features(); ++r) {
    const double value = features[r * kTile];
    const double exponent = map.key_norm_factor() * norm;
    result.push_back(map.exponential() ? std::exp2(value + exponent) : value * std::exp2(exponent));
  }
  return result;
}

double Dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

class FeatureMapTest : public testing::Test {
 protected:
  FeatureMapTest() {
    std::mt19937_64 random(11);
    std::normal_distribution<double> normal(0, 0.35);
    for (int64_t l = 0; l < kHeadDim; ++l) {
      x_.push_back(normal(random));
      y_.push_back(normal(random));
    }
  }
  double Kernel(const FeatureSpec& spec, std::shared_ptr<const Projection> projection, int64_t rows) {
    const FeatureMap map = *FeatureMap::Create(spec, 1, kHeadDim, std::move(projection));
    return Dot(Features(map, x_), Features(map, y_)) / rows;
  }
  std::vector<double> x_, y_;
};

// With 60,000 rows every estimate is within 2% (the relative deviation of one feature is below 3).
TEST_F(FeatureMapTest, EveryEstimatorAveragesToItsKernel) {
  constexpr int64_t kRows = 30'000;
  double distance = 0;
  for (int64_t l = 0; l < kHeadDim; ++l) distance += std::pow(x_[l] - y_[l], 2);
  const double softmax = std::exp(Dot(x_, y_)), gaussian = std::exp(-distance / 2);
  for (const Estimator estimator : {Estimator::kPositive, Estimator::kHyperbolic, Estimator::kTrigonometric}) {
    const int64_t terms = estimator == Estimator::kHyperbolic ? 2 * kRows : kRows;
    FeatureSpec spec;
    spec.estimator = estimator;
    EXPECT_NEAR(Kernel(spec, Draw(kRows), terms) / softmax, 1, 0.02);
    spec.kernel = Kernel::kGaussian;
    EXPECT_NEAR(Kernel(spec, Draw(kRows), terms) / gaussian, 1, 0.02);
  }
}

// E exp(w.z) over w of norm sqrt(d) is below exp(|z|^2/2): SMREG lies below softmax.
TEST_F(FeatureMapTest, RegularizedSoftmaxLiesBelowSoftmax) {
  FeatureSpec spec;
  spec.kernel = Kernel::kSoftmaxRegularized;
  const double ratio = Kernel(spec, Draw(60'000, RowNorms::kSqrtDim), 60'000) / std::exp(Dot(x_, y_));
  EXPECT_LT(ratio, 1);
  EXPECT_GT(ratio, 0.8);
}

TEST_F(FeatureMapTest, PolynomialMapsAreExact) {
  FeatureSpec spec;
  spec.kernel = Kernel::kTaylor2;
  const double inner = Dot(x_, y_);
  EXPECT_NEAR(Kernel(spec, nullptr, 1), 1 + inner + inner * inner / 2, 1e-6);
  spec.kernel = Kernel::kPolynomial2;
  spec.polynomial_offset = 1.5;
  EXPECT_NEAR(Kernel(spec, nullptr, 1), (inner + 1.5) * (inner + 1.5), 1e-6);
}

// ReLU features estimate the arc-cosine kernel: E relu(w.x) relu(w.y) = |x||y| (sin a + (pi - a) cos a) / 2 pi.
TEST_F(FeatureMapTest, ReluFeaturesEstimateTheArcCosineKernel) {
  FeatureSpec spec;
  spec.kernel = Kernel::kGeneralized;
  const double norms = std::sqrt(Dot(x_, x_) * Dot(y_, y_)), angle = std::acos(Dot(x_, y_) / norms);
  const double exact = norms * (std::sin(angle) + (M_PI - angle) * std::cos(angle)) / (2 * M_PI);
  EXPECT_NEAR(Kernel(spec, Draw(60'000), 60'000) / exact, 1, 0.02);
}

TEST_F(FeatureMapTest, UnprojectedMapsActOnCoordinates) {
  FeatureSpec spec;
  spec.kernel = Kernel::kEluPlusOne;
  const std::vector<double> elu = Features(*FeatureMap::Create(spec, 1, kHeadDim, nullptr), x_);
  spec.kernel = Kernel::kNoProjection;
  const std::vector<double> exponentials = Features(*FeatureMap::Create(spec, 1, kHeadDim, nullptr), x_);
  spec.kernel = Kernel::kGeneralized;
  spec.nonlinearity = Nonlinearity::kSquaredRelu;
  const std::vector<double> relu = Features(*FeatureMap::Create(spec, 4, kHeadDim, nullptr), x_);
  for (int64_t l = 0; l < kHeadDim; ++l) {
    EXPECT_NEAR(elu[l], x_[l] > 0 ? x_[l] + 1 : std::exp(x_[l]), 1e-6);
    EXPECT_NEAR(exponentials[l], std::exp(x_[l]), 1e-6);
    EXPECT_NEAR(relu[l], std::pow(std::max(0.0, 2 * x_[l]), 2), 1e-6) << "scale 4 doubles the input";
  }
}

TEST_F(FeatureMapTest, WhatDoesNotFitIsRefusedByName) {
  const auto error = [](const FeatureSpec& spec, double scale, int64_t head_dim,
                        std::shared_ptr<const Projection> projection) {
    return std::string(FeatureMap::Create(spec, scale, head_dim, std::move(projection)).status().message());
  };
  FeatureSpec spec;
  EXPECT_THAT(error(spec, 1, kHeadDim, nullptr), HasSubstr("projection is missing"));
  EXPECT_THAT(error(spec, 1, 16, Draw(4)), HasSubstr("projection.head_dim is 8, queries.head_dim is 16"));
  for (const double scale : {0.0, -1.0, std::numeric_limits<double>::quiet_NaN(), 1e300}) {
    EXPECT_THAT(error(spec, scale, kHeadDim, Draw(4)), HasSubstr("scale is "));
  }
  spec.epsilon_parity = EpsilonParity{-1, 0};
  EXPECT_THAT(error(spec, 1, kHeadDim, Draw(4)), HasSubstr("epsilon_parity.feature_epsilon is -1"));
  spec.epsilon_parity = EpsilonParity{};
  spec.estimator = Estimator::kTrigonometric;
  EXPECT_THAT(error(spec, 1, kHeadDim, Draw(4)), HasSubstr("epsilon_parity is set"));
  spec = {};
  spec.kernel = Kernel::kTaylor2;
  EXPECT_THAT(error(spec, 1, 512, nullptr), HasSubstr("num_features is 131841 for head_dim 512, at most 65536"));
  EXPECT_THAT(error(spec, 1, kHeadDim, Draw(4)), HasSubstr("takes none"));
  spec.polynomial_offset = -2;
  EXPECT_THAT(error(spec, 1, 4, nullptr), HasSubstr("polynomial_offset is -2"));
}

}  // namespace
}  // namespace favor
