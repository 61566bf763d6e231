#include "client/load/load_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"

namespace favor::load {
namespace {

using ::testing::ElementsAre;

// Moves only when somebody sleeps or works. For one caller, whose calls then take exactly as long as told.
class FakeClock : public Clock {
 public:
  absl::Duration Now() override { return now_; }
  void SleepUntil(absl::Duration moment) override { now_ = std::max(now_, moment); }
  void Work(absl::Duration time) { now_ += time; }

 private:
  absl::Duration now_ = absl::Hours(1);
};

constexpr absl::Duration kMillisecond = absl::Milliseconds(1);

LoadPlan Plan(Loop loop, double rate, absl::Duration duration) {
  LoadPlan plan;
  plan.loop = loop;
  plan.arrivals = Arrivals::kConstant;
  plan.rate = rate;
  plan.concurrency = 1;
  plan.warm_up = absl::ZeroDuration();
  plan.duration = duration;
  return plan;
}

TEST(ArrivalSchedule, ConstantArrivalsNeverDrift) {
  ArrivalSchedule schedule(Arrivals::kConstant, 3, 0);
  for (int i = 1; i < 300'000; ++i) schedule.Next();
  EXPECT_EQ(schedule.Next(), absl::Seconds(100'000));
}

TEST(ArrivalSchedule, PoissonGapsHaveTheMeanAndTheSpreadOfTheirKind) {
  constexpr int kCount = 100'000;
  ArrivalSchedule schedule(Arrivals::kPoisson, 1000, 7);
  double squares = 0;
  absl::Duration last;
  for (int i = 0; i < kCount; ++i) {
    const absl::Duration arrival = schedule.Next();
    squares += std::pow(absl::ToDoubleMilliseconds(arrival - last), 2);
    last = arrival;
  }
  // Of exponential gaps with mean 1 ms: 5 standard errors, which are 1/sqrt(n) and sqrt(20/n).
  EXPECT_NEAR(absl::ToDoubleMilliseconds(last) / kCount, 1, 0.016);
  EXPECT_NEAR(squares / kCount, 2, 0.071);
}

TEST(ArrivalSchedule, TheSameSeedGivesTheSameArrivals) {
  ArrivalSchedule one(Arrivals::kPoisson, 10, 3), same(Arrivals::kPoisson, 10, 3), other(Arrivals::kPoisson, 10, 4);
  const absl::Duration first = one.Next();
  EXPECT_EQ(first, same.Next());
  EXPECT_NE(first, other.Next());
}

TEST(OpenLoop, SendsWhenTheClockSaysSo) {
  FakeClock clock;
  const absl::Duration start = clock.Now();
  std::vector<absl::Duration> sent;
  const auto call = [&](int) {
    sent.push_back(clock.Now() - start);
    clock.Work(kMillisecond);
    return CallOutcome{};
  };
  const LoadResult result = RunLoad(Plan(Loop::kOpen, 4, absl::Seconds(1.1)), call, &clock);
  EXPECT_THAT(sent, ElementsAre(absl::Seconds(0.25), absl::Seconds(0.5), absl::Seconds(0.75), absl::Seconds(1)));
  EXPECT_EQ(result.latency.max(), kMillisecond);
  EXPECT_EQ(result.late, 0);
  EXPECT_EQ(result.elapsed, absl::Seconds(1.1));
}

TEST(OpenLoop, CallsTooShortForTheClockAreThroughput) {
  FakeClock clock;
  LoadPlan plan = Plan(Loop::kOpen, 4, absl::Seconds(2));
  plan.warm_up = absl::Seconds(1.1);
  const LoadResult result = RunLoad(
      plan, [](int) { return CallOutcome{}; }, &clock);
  EXPECT_EQ(result.succeeded, 8);
  EXPECT_DOUBLE_EQ(result.CallsPerSecond(), 4);
}

// One call stalls for half a second in which 50 others were due. Whoever counts from sending sees one slow call.
TEST(OpenLoop, AStallIsChargedForEveryCallItKeptWaiting) {
  FakeClock clock;
  int calls = 0;
  const auto call = [&](int) {
    clock.Work(++calls == 10 ? 500 * kMillisecond : kMillisecond);
    return CallOutcome{};
  };
  const LoadResult result = RunLoad(Plan(Loop::kOpen, 100, absl::Seconds(2)), call, &clock);
  EXPECT_EQ(result.succeeded, result.planned);
  // The stalled call and the 55 that came before the backlog was gone: 500 = 9 n.
  EXPECT_NEAR(static_cast<double>(result.late), 55, 1);
  EXPECT_EQ(result.latency.max(), 500 * kMillisecond);
  EXPECT_GT(result.latency.Quantile(0.9), 200 * kMillisecond);
  EXPECT_LT(result.round_trip.Quantile(0.99), 1.01 * kMillisecond);
}

TEST(OpenLoop, WhatNeverFoundASlotIsDroppedAndCounted) {
  FakeClock clock;
  const auto call = [&](int) {
    clock.Work(100 * kMillisecond);
    return CallOutcome{};
  };
  // 99 arrivals before the end at 1 s, from 10 ms on a call every 100 ms.
  const LoadResult result = RunLoad(Plan(Loop::kOpen, 100, absl::Seconds(1)), call, &clock);
  EXPECT_EQ(result.planned, 99);
  EXPECT_EQ(result.sent, 10);
  EXPECT_EQ(result.dropped, 89);
  EXPECT_EQ(result.late, 9);
}

// All the counted time goes into what the warm-up left behind: none of its own calls is sent.
TEST(OpenLoop, AnswersToTheBacklogOfTheWarmUpAreThroughput) {
  FakeClock clock;
  const auto call = [&](int) {
    clock.Work(100 * kMillisecond);
    return CallOutcome{.status = absl::OkStatus(), .request_bytes = 3, .response_bytes = 1, .num_tokens = 5};
  };
  LoadPlan plan = Plan(Loop::kOpen, 100, absl::Seconds(1));
  plan.warm_up = absl::Seconds(2);
  const LoadResult result = RunLoad(plan, call, &clock);
  EXPECT_EQ(result.dropped, result.planned);
  EXPECT_EQ(result.latency.count(), 0);
  EXPECT_EQ(result.elapsed, absl::Seconds(1));
  EXPECT_NEAR(result.CallsPerSecond(), 10, 1e-9);
  EXPECT_NEAR(result.BytesPerSecond(), 40, 1e-9);
  EXPECT_NEAR(result.TokensPerSecond(), 50, 1e-9);
}

TEST(OpenLoop, WarmUpIsNotCounted) {
  FakeClock clock;
  int calls = 0;
  const auto call = [&](int) {
    const bool cold = ++calls <= 10;
    clock.Work(cold ? 9 * kMillisecond : kMillisecond);
    return cold ? CallOutcome{absl::InternalError("cold")} : CallOutcome{};
  };
  LoadPlan plan = Plan(Loop::kOpen, 100, absl::Seconds(1));
  plan.warm_up = absl::Milliseconds(105);
  const LoadResult result = RunLoad(plan, call, &clock);
  EXPECT_EQ(result.planned, 100);
  EXPECT_EQ(result.failed(), 0);
  EXPECT_EQ(result.latency.max(), kMillisecond);
  EXPECT_EQ(result.elapsed, absl::Seconds(1));
}

TEST(ClosedLoop, SendsTheNextCallWhenTheLastIsAnswered) {
  FakeClock clock;
  const auto call = [&](int) {
    clock.Work(10 * kMillisecond);
    return CallOutcome{.status = absl::OkStatus(), .request_bytes = 3, .response_bytes = 1};
  };
  const LoadResult result = RunLoad(Plan(Loop::kClosed, 1, absl::Seconds(1)), call, &clock);
  EXPECT_EQ(result.succeeded, 100);
  EXPECT_DOUBLE_EQ(result.CallsPerSecond(), 100);
  EXPECT_DOUBLE_EQ(result.BytesPerSecond(), 400);
  EXPECT_EQ(result.latency.max(), 10 * kMillisecond);
}

// Of calls that are long against the counted time, those under way at its ends decide.
TEST(ClosedLoop, TheThroughputOfOneCallerIsThatOfItsRoundTrips) {
  FakeClock clock;
  const auto call = [&](int) {
    clock.Work(700 * kMillisecond);
    return CallOutcome{};
  };
  LoadPlan plan = Plan(Loop::kClosed, 1, absl::Seconds(1));
  for (const int warm_up_ms : {0, 100, 700, 1000, 2000}) {
    plan.warm_up = warm_up_ms * kMillisecond;
    const LoadResult result = RunLoad(plan, call, &clock);
    EXPECT_NEAR(result.CallsPerSecond(), 1 / 0.7, 1e-9) << warm_up_ms;
    EXPECT_EQ(result.elapsed, absl::Seconds(1)) << warm_up_ms;
  }
}

TEST(ClosedLoop, NothingIsLateOrDroppedHoweverSlowThisMachineIs) {
  // Every look at the clock takes as long as a busy machine may keep a thread waiting.
  class SlowClock : public FakeClock {
   public:
    absl::Duration Now() override {
      Work(7 * kMillisecond);
      return FakeClock::Now();
    }
  };
  SlowClock clock;
  const LoadResult result = RunLoad(
      Plan(Loop::kClosed, 1, absl::Seconds(1)), [](int) { return CallOutcome{}; }, &clock);
  EXPECT_GT(result.sent, 50);
  EXPECT_EQ(result.late, 0);
  EXPECT_EQ(result.dropped, 0);
}

TEST(ClosedLoop, AllCallersAreInFlightAtOnceAndEachOnlyOnce) {
  constexpr int kCallers = 8;
  absl::BlockingCounter all_there(kCallers);
  absl::Mutex mutex;
  std::vector<int> calls(kCallers), under_way(kCallers);
  const auto call = [&](int caller) {
    bool first = false;
    {
      const absl::MutexLock lock(&mutex);
      first = calls[caller]++ == 0;
      EXPECT_EQ(++under_way[caller], 1);
    }
    if (first) {  // waits for the others, for ever if they do not come
      all_there.DecrementCount();
      absl::MutexLock lock(&mutex);
      const auto everybody_called = [&] { return std::count(calls.begin(), calls.end(), 0) == 0; };
      mutex.Await(absl::Condition(&everybody_called));
    }
    const absl::MutexLock lock(&mutex);
    --under_way[caller];
    return CallOutcome{};
  };
  LoadPlan plan =
      Plan(Loop::kClosed, 1, 1000 * kMillisecond);  // a caller that is late for it would be waited for in vain
  plan.concurrency = kCallers;
  const LoadResult result = RunLoad(plan, call, MonotonicClock());
  all_there.Wait();
  EXPECT_EQ(result.succeeded, result.sent);
}

TEST(LoadResult, SplitsTheRoundTripAsTheServerReports) {
  FakeClock clock;
  const auto call = [&](int) {
    clock.Work(10 * kMillisecond);
    return CallOutcome{.status = absl::OkStatus(), .queue_time = kMillisecond, .compute_time = 6 * kMillisecond};
  };
  const LoadResult result = RunLoad(Plan(Loop::kClosed, 1, absl::Seconds(1)), call, &clock);
  EXPECT_EQ(result.queue.max(), kMillisecond);
  EXPECT_EQ(result.compute.max(), 6 * kMillisecond);
  EXPECT_EQ(result.beside_compute.max(), 4 * kMillisecond);
}

TEST(LoadResult, FailuresAreCountedByCodeAndAreInNoTime) {
  FakeClock clock;
  int calls = 0;
  LoadProgress progress;
  const auto call = [&](int) -> CallOutcome {
    clock.Work(10 * kMillisecond);
    switch (++calls % 4) {
      case 1:
        return {absl::ResourceExhaustedError(absl::StrCat("full ", calls))};
      case 2:
        clock.Work(absl::Seconds(1));
        return {absl::DeadlineExceededError("slow")};
      default:
        return {};
    }
  };
  const LoadResult result = RunLoad(Plan(Loop::kClosed, 1, absl::Seconds(20)), call, &clock, &progress);
  EXPECT_EQ(result.succeeded + result.failed(), result.sent);
  EXPECT_EQ(result.failures.at(absl::StatusCode::kResourceExhausted).first_message, "full 1");
  EXPECT_EQ(result.failures.at(absl::StatusCode::kResourceExhausted).count +
                result.failures.at(absl::StatusCode::kDeadlineExceeded).count,
            result.failed());
  EXPECT_EQ(result.latency.count(), result.succeeded);
  EXPECT_EQ(result.latency.max(), 10 * kMillisecond);
  EXPECT_EQ(progress.succeeded, result.succeeded);
  EXPECT_EQ(progress.failed, result.failed());
  EXPECT_FALSE(result.stopped_early);
}

TEST(LoadResult, AServerThatHasGoneEndsTheLoad) {
  FakeClock clock;
  const absl::Duration start = clock.Now();
  absl::Duration last_answer;
  int calls = 0;
  const auto call = [&](int) -> CallOutcome {
    clock.Work(10 * kMillisecond);
    last_answer = clock.Now();
    // A single answer in between: it has not gone yet.
    if (++calls <= 10 || calls == 80) return {};
    return {absl::UnavailableError("connection refused")};
  };
  const LoadResult result = RunLoad(Plan(Loop::kClosed, 1, absl::Hours(1)), call, &clock);
  EXPECT_TRUE(result.stopped_early);
  EXPECT_EQ(result.succeeded, 11);
  EXPECT_EQ(result.sent, 81 + 91);  // a call and a pause last 110 ms, 10 s are 91 of them
  EXPECT_EQ(result.elapsed, last_answer - start);
}

// A restart of some seconds, however many calls fail in it.
TEST(LoadResult, AShortOutageIsPartOfTheResult) {
  for (const Loop loop : {Loop::kOpen, Loop::kClosed}) {
    FakeClock clock;
    const absl::Duration start = clock.Now();
    const auto call = [&](int) -> CallOutcome {
      clock.Work(kMillisecond);
      const absl::Duration time = clock.Now() - start;
      if (time < absl::Seconds(5) || time >= absl::Seconds(14)) return {};
      return {absl::UnavailableError("connection refused")};
    };
    const LoadResult result = RunLoad(Plan(loop, 200, absl::Seconds(20)), call, &clock);
    EXPECT_FALSE(result.stopped_early);
    EXPECT_EQ(result.elapsed, absl::Seconds(20));
    const int64_t failed = loop == Loop::kOpen ? 9 * 200 : 90;  // of a closed loop ten a second
    EXPECT_NEAR(static_cast<double>(result.failed()), static_cast<double>(failed), 2);
  }
}

TEST(LoadResult, NothingIsSentWhenTheServerHasGone) {
  LoadPlan plan = Plan(Loop::kOpen, 4, absl::Hours(1));
  plan.concurrency = 100;  // who wait for the arrivals of the next 25 s
  plan.gone_after = 200 * kMillisecond;
  const absl::Duration start = MonotonicClock()->Now();
  const LoadResult result = RunLoad(
      plan, [](int) { return CallOutcome{absl::UnavailableError("connection refused")}; }, MonotonicClock());
  EXPECT_TRUE(result.stopped_early);
  EXPECT_LT(result.sent, 20);
  EXPECT_LT(MonotonicClock()->Now() - start, absl::Seconds(10));
}

TEST(LoadResult, MergeAddsALaterLoad) {
  FakeClock clock;
  int calls = 0;
  const auto call = [&](int) -> CallOutcome {
    clock.Work(++calls * kMillisecond);
    if (calls % 2 == 0) return {absl::InternalError(absl::StrCat("call ", calls))};
    return {.status = absl::OkStatus(), .request_bytes = 5};
  };
  const LoadPlan plan = Plan(Loop::kClosed, 1, 6 * kMillisecond);
  LoadResult result = RunLoad(plan, call, &clock);  // calls of 1, 2, 3 ms
  result.Merge(RunLoad(plan, call, &clock));        // of 4 and 5 ms, until 9 ms
  EXPECT_EQ(result.sent, 5);
  EXPECT_EQ(result.succeeded, 3);
  EXPECT_EQ(result.elapsed, 12 * kMillisecond);
  EXPECT_NEAR(result.CallsPerSecond(), (2 + 2 / 5.0) / 0.012, 1e-6);
  EXPECT_EQ(result.latency.max(), 5 * kMillisecond);
  EXPECT_EQ(result.failures.at(absl::StatusCode::kInternal).count, 2);
  EXPECT_EQ(result.failures.at(absl::StatusCode::kInternal).first_message, "call 2");
}

}  // namespace
}  // namespace favor::load
