#include "favor/attention/way_choice.h"

#include <limits>
#include <vector>

#include "gtest/gtest.h"

namespace favor::internal {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Errors that fall by a third with every doubling, known to some 10%.
std::vector<Way> Ways(double first_error, double first_seconds = 0.01) {
  std::vector<Way> ways;
  for (int64_t anchors = 1; anchors <= 64; anchors *= 2) {
    ways.push_back({anchors, first_seconds * static_cast<double>(anchors), first_error, 0.1, 0.15});
    first_error *= 2.0 / 3;
  }
  return ways;
}

TEST(ChooseWay, TakesTheCheapestThatIsNearlySureToKeepTheBound) {
  const std::vector<Way> ways = Ways(0.2);
  const Way* way = ChooseWay(ways, {.bound = 0.1, .exact = 1, .spent = 0.02, .budget = kInfinity});
  ASSERT_NE(way, nullptr);
  EXPECT_EQ(way->num_anchors,
            8);  // 0.2 (2/3)^3 = 0.059; 4 anchors at 0.089 would be measured above more often than not
}

TEST(ChooseWay, TakesExactAttentionWhereAnApproximationWouldCostAsMuch) {
  EXPECT_EQ(ChooseWay(Ways(0.2, 0.2), {.bound = 0.1, .exact = 1, .spent = 0.02, .budget = kInfinity}), nullptr);
  EXPECT_EQ(ChooseWay(Ways(50), {.bound = 0.1, .exact = 1, .spent = 0.02, .budget = kInfinity}), nullptr);
}

// 0.1 is as likely kept as not: that may cost a tenth of exact attention, but not half of it.
TEST(ChooseWay, RisksLittle) {
  Way way{8, 0.05, 0.09, 0.1, 0.1};
  const Terms terms{.bound = 0.1, .exact = 1, .spent = 0.03, .budget = kInfinity};
  EXPECT_NEAR(ChanceOf(way, terms.bound), 0.5, 0.05);
  EXPECT_EQ(ChooseWay({&way, 1}, terms), &way);
  way.seconds = 0.3;
  EXPECT_EQ(ChooseWay({&way, 1}, terms), nullptr);
  way.error = 0.03;  // sure
  EXPECT_EQ(ChooseWay({&way, 1}, terms), &way);
}

TEST(ChooseWay, TakesNothingThatEndsAfterTheBudget) {
  const std::vector<Way> ways = Ways(0.2);
  // Neither 8 anchors nor exact attention: the surest of those that are left, if it may keep the bound at all.
  const Way* way = ChooseWay(ways, {.bound = 0.1, .exact = 1, .spent = 0, .budget = 0.05});
  ASSERT_NE(way, nullptr);
  EXPECT_EQ(way->num_anchors, 4);
  EXPECT_EQ(ChooseWay(ways, {.bound = 0.01, .exact = 1, .spent = 0, .budget = 0.05}), nullptr);
  EXPECT_EQ(BestWithinBudget(ways, {.bound = 0.01, .exact = 1, .spent = 0, .budget = 0.05})->num_anchors, 4);
  EXPECT_EQ(BestWithinBudget(ways, {.bound = 0.01, .exact = 1, .spent = 0, .budget = 0.005}), nullptr);
}

TEST(ChooseWay, NothingIsExpectedOfWhatIsNoNumber) {
  Way way{1, 0.01, std::numeric_limits<double>::quiet_NaN(), 0.1, 0.1};
  EXPECT_EQ(ChanceOf(way, 0.1), 0);
  way.error = kInfinity;
  EXPECT_EQ(ChanceOf(way, 0.1), 0);
  way.error = 0;
  EXPECT_EQ(ChanceOf(way, 0.1), 1);
}

}  // namespace
}  // namespace favor::internal
