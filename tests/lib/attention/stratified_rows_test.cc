#include "favor/attention/stratified_rows.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace favor::internal {
namespace {

using ::testing::Each;
using ::testing::Ge;

TEST(StratifiedRows, AreOneOfEachPartAndKnowThemselves) {
  for (const int64_t length : {1, 2, 7, 31, 32, 33, 100, 511, 513, 1000, 4096, 100'003}) {
    for (const int64_t most : {1, 3, 32, 512}) {
      const StratifiedRows rows(length, most);
      ASSERT_EQ(rows.count(), std::min(length, most));
      std::vector<bool> taken(length, false);
      for (int64_t i = 0; i < rows.count(); ++i) {
        const int64_t row = rows.Row(i);
        ASSERT_GE(row, i * length / rows.count()) << length << " " << most;
        ASSERT_LT(row, (i + 1) * length / rows.count()) << length << " " << most;
        taken[row] = true;
      }
      for (int64_t row = 0; row < length; ++row) ASSERT_EQ(rows.Contains(row), taken[row]) << length << " " << most;
    }
  }
}

TEST(StratifiedRows, AreAllWhereThatIsEnough) {
  const StratifiedRows rows(100, 100);
  for (int64_t i = 0; i < 100; ++i) EXPECT_EQ(rows.Row(i), i);
}

TEST(StratifiedRows, InStepsLeaveHalfOfTheRowsWhereTheyAreNotAll) {
  for (int64_t length = 1; length < 3000; ++length) {
    const int64_t count = StratifiedRows::InSteps(length, 512).count();
    ASSERT_LE(count, 512);
    ASSERT_GT(3 * count, std::min<int64_t>(length, 512));
    if (length > 512) {
      ASSERT_LE(count, length / 2 + 1);
    }
  }
}

// Whatever the inputs' period, every phase of it is seen; of 64 phases 8 times on average, as of random rows.
TEST(StratifiedRows, SeeEveryPhaseOfAnyPeriod) {
  for (const int64_t length : {4096, 16384, 60'000}) {
    const StratifiedRows rows(length, 512);
    for (int64_t period = 2; period <= 64; ++period) {
      std::vector<double> share(period, 0.0);
      for (int64_t i = 0; i < rows.count(); ++i) {
        share[rows.Row(i) % period] += static_cast<double>(period) / static_cast<double>(rows.count());
      }
      EXPECT_THAT(share, Each(Ge(0.05))) << "period " << period << " of " << length;
    }
  }
}

}  // namespace
}  // namespace favor::internal
