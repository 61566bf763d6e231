#include "favor/kernels/transform.h"

#include <cmath>
#include <cstdint>
#include <vector>

#include "favor/kernels/pack.h"
#include "favor/kernels/tile.h"
#include "tests/lib/kernels/every_target.h"

namespace favor::kernels {
namespace {

class TransformTest : public EveryTarget {};
FAVOR_ON_EVERY_TARGET(TransformTest);

TEST_P(TransformTest, RowsAreShiftedThenScaledAndOthersLeftAlone) {
  for (const bool has_shift : {false, true}) {
    for (const bool has_factors : {false, true}) {
      const int64_t dim = Integer(1, 40), stride = Padded(dim), count = Integer(0, 50);
      std::vector<float> rows = Normal((count + 1) * stride);
      const std::vector<float> before = rows, shift = Normal(stride), factors = Normal(stride);
      ShiftScaleRows(rows.data(), count, stride, dim, has_shift ? shift.data() : nullptr,
                     has_factors ? factors.data() : nullptr);
      for (int64_t n = 0; n < (count + 1) * stride; ++n) {
        const float moved = has_shift ? before[n] - shift[n % stride] : before[n];
        const float expected = n >= count * stride ? before[n] : has_factors ? moved * factors[n % stride] : moved;
        EXPECT_EQ(rows[n], expected);
      }
    }
  }
}

TEST_P(TransformTest, ValuesBeyondTheBoundComeDownToIt) {
  std::vector<float> values = Normal(3 * kPad);
  values[5] = 3e20f;
  values[17] = -INFINITY;
  std::vector<float> expected = values;
  expected[5] = kMaxMagnitude;
  expected[17] = -kMaxMagnitude;
  ClampValues(values.data(), 3 * kPad);
  EXPECT_EQ(values, expected);
}

TEST_P(TransformTest, WeightedNormsAreThoseOfTheirColumns) {
  const int64_t dim = Integer(1, 70);
  for (const int64_t width : {kTile, kFoldTile}) {
    const std::vector<float> tile = Normal(dim * width), weights = Normal(dim);
    std::vector<float> norms(width);
    WeightedSquaredNorms(tile.data(), weights.data(), dim, width, norms.data());
    for (int64_t t = 0; t < width; ++t) {
      double exact = 0, magnitude = 0;
      for (int64_t l = 0; l < dim; ++l) {
        const double term = static_cast<double>(weights[l]) * tile[l * width + t] * tile[l * width + t];
        exact += term;
        magnitude += std::abs(term);
      }
      EXPECT_NEAR(norms[t], exact, 5e-6 * magnitude);
    }
  }
}

TEST_P(TransformTest, TileRowsAreScaledAndNegated) {
  constexpr int64_t kRows = 13;
  std::vector<float> tile = Normal(kRows * kTile);
  const std::vector<float> before = tile, factors = Normal(kRows);
  ScaleTileRows(tile.data(), kRows, factors.data());
  std::vector<float> negated(kRows * kTile);
  NegateRows(tile.data(), kRows, negated.data());
  for (int64_t n = 0; n < kRows * kTile; ++n) {
    EXPECT_EQ(tile[n], before[n] * factors[n / kTile]);
    EXPECT_EQ(negated[n], -tile[n]);
  }
}

}  // namespace
}  // namespace favor::kernels
