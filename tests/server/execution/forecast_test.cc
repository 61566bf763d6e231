#include "server/execution/forecast.h"

#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "server/execution/retry_delay.h"

namespace favor {
namespace {

constexpr absl::Time kNow = absl::UnixEpoch();

// A forecast that hopes an operation of kind 0 to take a millisecond, having seen it take two.
class ForecastTest : public ::testing::Test {
 protected:
  ForecastTest() { Do(forecast_, 10, absl::Milliseconds(20)); }

  static void Do(Forecast& forecast, double operations, absl::Duration busy) {
    const auto entry = forecast.Begin({0, operations, 1});
    entry->AddBusy(busy);
    entry->Learn(kNow);
  }

  Forecast forecast_{2};
};

TEST_F(ForecastTest, RefusesWhatCouldNotBeDoneInTimeOnAnIdleServer) {
  // A second on two threads.
  EXPECT_TRUE(forecast_.Check({0, 2000, 2}, kNow, kNow + absl::Milliseconds(1001)).ok());
  EXPECT_TRUE(absl::IsDeadlineExceeded(forecast_.Check({0, 2000, 2}, kNow, kNow + absl::Milliseconds(999))));
  EXPECT_TRUE(absl::IsDeadlineExceeded(forecast_.Check({0, 2000, 1}, kNow, kNow + absl::Milliseconds(1999))));
  EXPECT_EQ(forecast_.num_refused(), 2);
}

TEST_F(ForecastTest, RefusesWhatOthersKeepFromBeingDoneInTimeAndSaysWhenToComeBack) {
  const auto other = forecast_.Begin({0, 5000, 2});
  const JobSize size = {0, 1000, 2};
  // Each gets half of the machine until the new one is done: one second.
  EXPECT_TRUE(forecast_.Check(size, kNow, kNow + absl::Milliseconds(1001)).ok());
  const absl::Status refused = forecast_.Check(size, kNow, kNow + absl::Milliseconds(999));
  EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
  EXPECT_TRUE(RetryDelayOf(refused).has_value());
  // What the other has done already is not in the way.
  other->AddBusy(absl::Milliseconds(4500));
  EXPECT_TRUE(forecast_.Check(size, kNow, kNow + absl::Milliseconds(751)).ok());
  EXPECT_FALSE(forecast_.Check(size, kNow, kNow + absl::Milliseconds(749)).ok());
}

TEST_F(ForecastTest, CountsWhatWaitsForItsTurnsBesideTheNewOne) {
  // A second by itself; one that waits takes as many turns, one of a kind nobody knows none.
  const JobSize size = {0, 2000, 2};
  const std::vector<JobSize> queued = {{0, 5000, 2}, {0, 500, 2}, {1, 1e9, 2}};
  EXPECT_TRUE(forecast_.Check(size, kNow, kNow + absl::Milliseconds(2251), queued).ok());
  const absl::Status refused = forecast_.Check(size, kNow, kNow + absl::Milliseconds(2249), queued);
  EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
}

TEST_F(ForecastTest, OwnersOfOneKindTellNothingOfEachOther) {
  EXPECT_FALSE(forecast_.TimeFor({0, 1000, 1, 7}, kNow).has_value());
  const auto entry = forecast_.Begin({0, 1000, 1, 7});
  entry->AddBusy(absl::Seconds(10));
  entry->Learn(kNow);
  EXPECT_EQ(forecast_.TimeFor({0, 1000, 1, 7}, kNow)->alone, absl::Seconds(5));
  EXPECT_FALSE(forecast_.TimeFor({0, 1000, 1}, kNow).has_value());
}

TEST_F(ForecastTest, RefusesNothingWithoutADeadlineOrAMeasurement) {
  EXPECT_TRUE(forecast_.Check({0, 1e30, 1}, kNow, absl::InfiniteFuture()).ok());
  EXPECT_TRUE(forecast_.Check({1, 1e30, 1}, kNow, kNow + absl::Milliseconds(1)).ok());
}

TEST_F(ForecastTest, LearnsNothingFromJobsThatAreMostlyOverhead) {
  Forecast forecast(2);
  Do(forecast, 1, absl::Milliseconds(9));
  EXPECT_FALSE(forecast.TimeFor({0, 1000, 1}, kNow).has_value());
  Do(forecast, 1, absl::Milliseconds(11));
  EXPECT_TRUE(forecast.TimeFor({0, 1000, 1}, kNow).has_value());
}

TEST_F(ForecastTest, BelievesTheQuickestAndForgetsItSlowly) {
  for (int i = 0; i < 10; ++i) Do(forecast_, 1, absl::Seconds(1));  // small jobs are mostly overhead
  EXPECT_LT(forecast_.TimeFor({0, 1000, 1}, kNow)->alone, absl::Seconds(1.2));
  for (int i = 0; i < 1000; ++i) Do(forecast_, 10, absl::Milliseconds(100));
  EXPECT_NEAR(absl::ToDoubleSeconds(forecast_.TimeFor({0, 1000, 1}, kNow)->alone), 5, 0.3);
}

// Or nobody could ever show it to be wrong: whom it refuses is not timed.
TEST_F(ForecastTest, BelievesHalfAsMuchForEveryMinuteInWhichNoJobOfTheKindWasDone) {
  const JobSize size = {0, 1000, 1};
  const auto alone = [&](absl::Duration later) { return forecast_.TimeFor(size, kNow + later)->alone; };
  EXPECT_EQ(alone(absl::Seconds(59)), alone(absl::ZeroDuration()));
  EXPECT_EQ(2 * alone(absl::Seconds(61)), alone(absl::ZeroDuration()));
  EXPECT_EQ(8 * alone(absl::Minutes(3)), alone(absl::ZeroDuration()));
  // It has doubts in what it has learned last, whenever that was.
  Do(forecast_, 10, absl::Milliseconds(20));
  EXPECT_EQ(alone(absl::Seconds(59)), alone(absl::ZeroDuration()));
}

}  // namespace
}  // namespace favor
