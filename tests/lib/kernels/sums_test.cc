#include "favor/kernels/sums.h"

#include <cmath>
#include <cstdint>
#include <vector>

#include "favor/kernels/tile.h"
#include "tests/lib/kernels/every_target.h"

namespace favor::kernels {
namespace {

class SumsTest : public EveryTarget {};
FAVOR_ON_EVERY_TARGET(SumsTest);

TEST_P(SumsTest, RowSumsTakeTheRangeAskedFor) {
  constexpr int64_t kRows = 37;
  for (const int64_t width : {kTile, kFoldTile}) {
    const std::vector<float> weights = Normal(kRows * width);
    for (int trial = 0; trial < 50; ++trial) {
      const int64_t begin = Integer(0, width - 1), end = Integer(begin, width);
      std::vector<float> sums = Normal(kRows), compensation(kRows);
      const std::vector<float> before = sums;
      AddRowSums(weights.data(), kRows, width, begin, end, sums.data(), compensation.data());
      for (int64_t r = 0; r < kRows; ++r) {
        double exact = before[r];
        for (int64_t t = begin; t < end; ++t) exact += weights[r * width + t];
        EXPECT_NEAR(static_cast<double>(sums[r]) - compensation[r], exact, 2e-5);
      }
    }
  }
}

TEST_P(SumsTest, ColumnSumsTakeTheRowsAskedForAndNoOthers) {
  for (int trial = 0; trial < 20; ++trial) {
    const int64_t count = Integer(0, 60), stride = kPad * Integer(1, 5);
    std::vector<float> rows = Normal((count + 1) * stride);
    std::fill(rows.end() - stride, rows.end(), NAN);
    std::vector<float> sums = Normal(stride), compensation(stride);
    const std::vector<float> before = sums;
    AddColumnSums(rows.data(), count, stride, sums.data(), compensation.data());
    for (int64_t n = 0; n < stride; ++n) {
      double exact = before[n];
      for (int64_t t = 0; t < count; ++t) exact += rows[t * stride + n];
      EXPECT_NEAR(static_cast<double>(sums[n]) - compensation[n], exact, 2e-5);
    }
  }
}

// A million additions of 0.1: plain float32 is wrong by a percent.
TEST_P(SumsTest, CompensatedSumsOfAnyLengthDoNotDrift) {
  for (const int64_t count : {1, 7, 16, 21}) {
    const std::vector<float> addends(count, 0.1f);
    std::vector<float> sums(count), compensation(count);
    for (int i = 0; i < 1'000'000; ++i) AddCompensated(addends.data(), count, sums.data(), compensation.data());
    for (int64_t i = 0; i < count; ++i) {
      EXPECT_NEAR((static_cast<double>(sums[i]) - compensation[i]) / (1e6 * static_cast<double>(0.1f)), 1, 2e-7);
    }
  }
}

TEST_P(SumsTest, ScaledRowsAreExact) {
  std::vector<float> row = Normal(4 * kPad);
  const std::vector<float> before = row;
  ScaleRow(row.data(), 4 * kPad, -13);
  for (size_t i = 0; i < row.size(); ++i) EXPECT_EQ(row[i], std::ldexp(before[i], -13));
}

}  // namespace
}  // namespace favor::kernels
