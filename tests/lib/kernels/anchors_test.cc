#include "favor/kernels/anchors.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "favor/kernels/tile.h"
#include "tests/lib/kernels/every_target.h"

namespace favor::kernels {
namespace {

class AnchorsTest : public EveryTarget {};
FAVOR_ON_EVERY_TARGET(AnchorsTest);

TEST_P(AnchorsTest, RowsAreMultipliedByTheFactorsOfTheirColumns) {
  const int64_t rows = Integer(1, 9), cols = kPad * Integer(1, 8), stride = kFoldTile;
  const std::vector<float> tile = Normal(rows * stride), factors = Normal(stride);
  std::vector<float> out(rows * stride, 7.0f);
  MultiplyRows(tile.data(), rows, stride, cols, factors.data(), out.data());
  for (int64_t i = 0; i < rows * stride; ++i) {
    EXPECT_EQ(out[i], i % stride < cols ? tile[i] * factors[i % stride] : 7.0f);
  }
}

TEST_P(AnchorsTest, TheNearestRowHasTheLargestScoreLessItsOffset) {
  for (int repeat = 0; repeat < 20; ++repeat) {
    const int64_t rows = Integer(1, 70), cols = kPad * Integer(1, 9), stride = kFoldTile;
    std::vector<float> scores = Normal(rows * stride), offsets = Normal(rows);
    if (rows > 2) {  // equal ones: the first counts; NaN never does
      for (int64_t t = 0; t < cols; ++t) scores[2 * stride + t] = scores[stride + t];
      offsets[2] = offsets[1];
      scores[stride + 3] = std::numeric_limits<float>::quiet_NaN();
    }
    std::vector<int32_t> nearest(cols, -1);
    NearestRows(scores.data(), rows, stride, cols, offsets.data(), nearest.data());
    for (int64_t t = 0; t < cols; ++t) {
      int32_t best = 0;
      for (int32_t r = 1; r < rows; ++r) {
        if (scores[r * stride + t] - offsets[r] > scores[best * stride + t] - offsets[best]) best = r;
      }
      EXPECT_EQ(nearest[t], best);
    }
  }
}

TEST_P(AnchorsTest, DistancesAreThoseOfColumnsFromTheCentre) {
  const int64_t dim = Integer(1, 90), width = kPad * Integer(1, 5);
  const std::vector<float> tile = Normal(dim * width), centre = Normal(dim);
  std::vector<float> distances(width);
  SquaredDistances(tile.data(), dim, width, centre.data(), distances.data());
  for (int64_t t = 0; t < width; ++t) {
    double exact = 0;
    for (int64_t l = 0; l < dim; ++l) exact += std::pow(double{tile[l * width + t]} - centre[l], 2);
    EXPECT_NEAR(distances[t], exact, 1e-5 * exact);
  }
}

TEST_P(AnchorsTest, NormsAreThoseOfRows) {
  const int64_t count = Integer(0, 50), stride = kPad * Integer(1, 8);
  const std::vector<float> rows = Normal(count * stride);
  std::vector<float> norms(count + 1, 7.0f);
  RowSquaredNorms(rows.data(), count, stride, norms.data());
  for (int64_t t = 0; t < count; ++t) {
    double exact = 0;
    for (int64_t l = 0; l < stride; ++l) exact += double{rows[t * stride + l]} * rows[t * stride + l];
    EXPECT_NEAR(norms[t], exact, 1e-5 * exact);
  }
  EXPECT_EQ(norms[count], 7.0f);
}

TEST_P(AnchorsTest, CovariancesAreMeanProductsLessProductsOfMeans) {
  const int64_t cols = kPad * Integer(1, 5);
  const std::vector<float> before = Normal(cols), compensation = Normal(cols), means = Normal(cols);
  std::vector<float> sums = before;
  const float weight = 3.7f, a = -1.3f;
  CovarianceRow(compensation.data(), cols, weight, a, means.data(), sums.data());
  for (int64_t n = 0; n < cols; ++n) {
    EXPECT_NEAR(sums[n], (double{before[n]} - compensation[n]) / weight - double{a} * means[n], 1e-6);
  }
}

}  // namespace
}  // namespace favor::kernels
