#include "server/execution/embed_batcher.h"

#include <algorithm>
#include <list>
#include <memory>
#include <thread>

#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/execution/queue_wait.h"
#include "server/execution/retry_delay.h"
#include "tests/server/execution/embed_batcher_fixture.h"

namespace favor {
namespace {

using ::testing::HasSubstr;

TEST(EmbedBatcher, EmbedsAsPlanEmbedDoes) {
  for (const Pooling pooling : {Pooling::kMean, Pooling::kNone}) {
    Fixture fixture({40, 1000}, int64_t{1} << 30, 2, 20);
    fixture.gate.Open();
    EmbedWork work = fixture.Work(7, 11, {pooling, true, 3});
    work.inputs.push_back(*PrepareIds(*fixture.model, std::vector<int32_t>(95, 7), {OverLength::kWindows, 5}));
    work.inputs.push_back(*PrepareIds(*fixture.model, {3}, {}));
    Caller* caller = fixture.Start(work);
    ExpectEmbedded(fixture, work, caller);
    EXPECT_EQ(caller->outcome->inputs.size(), 9u);
  }
}

TEST(EmbedBatcher, StartsASingleInputAtOnce) {
  Fixture fixture;
  Caller* caller = fixture.Start(fixture.Work(1, 5));
  fixture.gate.WaitForBatches(1);
  EXPECT_EQ(fixture.batcher.waiting_tokens(), 0);
  fixture.gate.Open();
  caller->done.WaitForNotification();
  EXPECT_TRUE(caller->outcome.ok());
}

TEST(EmbedBatcher, GathersTheInputsOfManyCallsWhileBatchesRun) {
  Fixture fixture({100, 10'000});
  fixture.Occupy();
  std::vector<Caller*> callers;
  for (int i = 0; i < 10; ++i) callers.push_back(fixture.Start(fixture.Work(1, 20)));
  EXPECT_EQ(fixture.batcher.waiting_tokens(), 200);
  fixture.gate.Open();
  for (Caller* caller : callers) caller->done.WaitForNotification();
  EXPECT_EQ(fixture.gate.batches(), std::vector<int64_t>({5, 5, 100, 100}));
}

TEST(EmbedBatcher, LeavesOutInputsThatHadErrors) {
  Fixture fixture;
  fixture.gate.Open();
  EmbedWork work = fixture.Work(3, 5);
  work.inputs[1] = EmbedInput();
  Caller* caller = fixture.Start(std::move(work));
  caller->done.WaitForNotification();
  EXPECT_EQ(caller->outcome->rows, std::vector<int64_t>({0, 1, 1, 2}));
}

TEST(EmbedBatcher, AnswersACallWithoutInputs) {
  Fixture fixture;
  Caller* caller = fixture.Start(fixture.Work(0, 0));
  ASSERT_TRUE(caller->done.HasBeenNotified());
  EXPECT_TRUE(caller->outcome.ok());
}

TEST(EmbedBatcher, DoesNotKeepASmallCallWaitingBehindAHugeOne) {
  Fixture fixture({300, 10'000});
  fixture.Occupy();
  Caller* huge = fixture.Start(fixture.Work(10'000, 3));
  Caller* small = fixture.Start(fixture.Work(1, 3));
  fixture.gate.OneByOne(3);
  fixture.gate.Open(2);  // the other of the two that occupied it, and the first one with windows of both calls
  EXPECT_TRUE(small->done.WaitForNotificationWithTimeout(absl::Seconds(20)));
  fixture.gate.Open();
  huge->done.WaitForNotification();
  EXPECT_TRUE(huge->outcome.ok());
  EXPECT_GE(fixture.gate.batches().size(), 2u + 100);
}

TEST(EmbedBatcher, GivesAHugeCallItsTurnAmongSmallOnes) {
  Fixture fixture({30, 100'000});
  fixture.Occupy();
  fixture.Start(fixture.Work(2, 30));
  for (int i = 0; i < 50; ++i) fixture.Start(fixture.Work(1, 10));
  // The first half in the first batch after the two that ran, the second when each of the others has had a turn.
  std::vector<int64_t> expected = {5, 5, 30};
  expected.insert(expected.end(), 16, 30);  // three small ones each
  expected.insert(expected.end(), {20, 30});
  EXPECT_EQ(fixture.gate.OneByOne(expected.size()), expected);
}

TEST(EmbedBatcher, TakesTurnsWhenABatchHasNoRoomForAllCalls) {
  Fixture fixture({20, 10'000});
  fixture.Occupy();
  for (int i = 0; i < 5; ++i) fixture.Start(fixture.Work(100, 10));
  fixture.Start(fixture.Work(1, 7));
  // Two windows a batch, behind the two that occupied it: the third one has the small call's.
  EXPECT_EQ(fixture.gate.OneByOne(5), std::vector<int64_t>({5, 5, 20, 20, 17}));
}

TEST(EmbedBatcher, RunsOversizedInputsByThemselvesBesideShortOnes) {
  Fixture fixture({100, 10'000});
  Caller* first = fixture.Start(fixture.Work(1, 500));
  fixture.gate.WaitForBatches(1);
  Caller* second = fixture.Start(fixture.Work(1, 600));
  Caller* third = fixture.Start(fixture.Work(1, 10));
  fixture.gate.WaitForBatches(2);  // the second place is not for another long one
  EXPECT_EQ(fixture.gate.batches(), std::vector<int64_t>({500, 10}));
  fixture.gate.Open();
  for (Caller* caller : {first, second, third}) caller->done.WaitForNotification();
  EXPECT_EQ(fixture.gate.batches(), std::vector<int64_t>({500, 10, 600}));
}

TEST(EmbedBatcher, KeepsModelsAndAttentionsApart) {
  Fixture fixture({100, 10'000});
  fixture.Occupy();
  EmbedWork other_model = fixture.Work(1, 11);
  other_model.model = fixture.NewModel();
  EmbedWork exact = fixture.Work(1, 12);
  exact.attention.emplace().spec.mode = AttentionMode::kExact;
  EmbedWork features = fixture.Work(1, 13);
  features.attention.emplace().spec.mode = AttentionMode::kFeatures;
  std::vector<Caller*> callers;
  for (EmbedWork work : {fixture.Work(1, 10), other_model, exact, features, exact, fixture.Work(1, 10)}) {
    callers.push_back(fixture.Start(work));
  }
  fixture.gate.Open();
  for (Caller* caller : callers) caller->done.WaitForNotification();
  std::vector<int64_t> batches = fixture.gate.batches();
  batches.erase(batches.begin(), batches.begin() + 2);
  EXPECT_THAT(batches, ::testing::UnorderedElementsAre(20, 11, 24, 13));
}

TEST(EmbedBatcher, DropsCallersWhoAreGoneBeforeTheyAreBatched) {
  Fixture fixture({100, 10'000});
  fixture.Occupy();
  Caller* gone = fixture.Start(fixture.Work(3, 20));
  Caller* late = fixture.Start(fixture.Work(1, 20), absl::Now() - absl::Seconds(1));
  Caller* stays = fixture.Start(fixture.Work(1, 7));
  gone->cancellation.Cancel();
  fixture.gate.Open();
  for (Caller* caller : {gone, late, stays}) caller->done.WaitForNotification();
  EXPECT_TRUE(absl::IsCancelled(gone->outcome.status()));
  EXPECT_TRUE(absl::IsDeadlineExceeded(late->outcome.status()));
  EXPECT_TRUE(QueueWaitOf(gone->outcome.status()).has_value());
  EXPECT_TRUE(QueueWaitOf(late->outcome.status()).has_value());
  EXPECT_TRUE(stays->outcome.ok());
  EXPECT_EQ(fixture.gate.batches(), std::vector<int64_t>({5, 5, 7}));
}

TEST(EmbedBatcher, StopsABatchWhenNobodyWaitsForItAnyMore) {
  Fixture fixture({100, 10'000});
  fixture.Occupy();
  Caller* gone = fixture.Start(fixture.Work(1, 20));
  Caller* also_gone = fixture.Start(fixture.Work(1, 20));
  fixture.gate.Open(2);
  fixture.gate.WaitForBatches(3);
  gone->cancellation.Cancel();
  also_gone->cancellation.Cancel();
  fixture.gate.Open();
  gone->done.WaitForNotification();
  also_gone->done.WaitForNotification();
  EXPECT_TRUE(absl::IsCancelled(gone->outcome.status()));
  EXPECT_TRUE(absl::IsCancelled(also_gone->outcome.status()));
}

TEST(EmbedBatcher, GoesOnForThoseWhoStay) {
  Fixture fixture({100, 10'000});
  fixture.Occupy();
  Caller* gone = fixture.Start(fixture.Work(8, 20));
  EmbedWork work = fixture.Work(1, 20);
  Caller* stays = fixture.Start(work);
  fixture.gate.Open(2);
  fixture.gate.WaitForBatches(3);
  gone->cancellation.Cancel();
  fixture.gate.Open();
  ExpectEmbedded(fixture, work, stays);
  gone->done.WaitForNotification();
  EXPECT_TRUE(absl::IsCancelled(gone->outcome.status()));
}

TEST(EmbedBatcher, ShedsWhatComesWhenTheQueueIsFullAndKeepsWhatWasTaken) {
  Fixture fixture({100, 250});
  fixture.Occupy();
  std::vector<Caller*> taken;
  for (int i = 0; i < 2; ++i) taken.push_back(fixture.Start(fixture.Work(50, 10)));  // count for 100 each
  Caller* shed = fixture.Start(fixture.Work(10, 10));
  ASSERT_TRUE(shed->done.HasBeenNotified());
  EXPECT_TRUE(absl::IsResourceExhausted(shed->outcome.status()));
  EXPECT_TRUE(RetryDelayOf(shed->outcome.status()).has_value());
  EXPECT_THAT(std::string(shed->outcome.status().message()), HasSubstr("100 tokens, 200 tokens wait before them"));
  taken.push_back(fixture.Start(fixture.Work(1, 50)));
  fixture.gate.Open();
  for (Caller* caller : taken) {
    caller->done.WaitForNotification();
    EXPECT_TRUE(caller->outcome.ok());
  }
}

TEST(EmbedBatcher, BatchesTheUrgentFirstAndStarvesNobody) {
  Fixture fixture({10, 100'000});
  fixture.Occupy();
  Caller* low = fixture.StartUrgent(fixture.Work(1, 9), Priority::kLow);
  Caller* normal = fixture.StartUrgent(fixture.Work(1, 8), Priority::kNormal);
  std::vector<Caller*> high;
  for (int i = 0; i < 20; ++i) high.push_back(fixture.StartUrgent(fixture.Work(1, 10), Priority::kHigh));
  // A batch holds one call. Every fourth takes who has waited longest, behind the two that occupied it.
  const std::vector<int64_t> batches = fixture.gate.OneByOne(24);
  const auto place_of = [&](int64_t tokens) {
    return std::find(batches.begin(), batches.end(), tokens) - batches.begin();
  };
  EXPECT_EQ(place_of(9), 3) << ::testing::PrintToString(batches);
  EXPECT_EQ(place_of(8), 7) << ::testing::PrintToString(batches);
  fixture.gate.Open();
  for (Caller* caller : high) caller->done.WaitForNotification();
  low->done.WaitForNotification();
  normal->done.WaitForNotification();
}

TEST(EmbedBatcher, ShedsTheLessUrgentFirst) {
  Fixture shares({100, 400, {0.5, 0.9, 1}});
  shares.Occupy();
  for (int i = 0; i < 2; ++i) shares.StartUrgent(shares.Work(10, 10), Priority::kNormal);
  Caller* low = shares.StartUrgent(shares.Work(1, 10), Priority::kLow);
  ASSERT_TRUE(low->done.HasBeenNotified());
  EXPECT_TRUE(absl::IsResourceExhausted(low->outcome.status())) << low->outcome.status();
  EXPECT_THAT(std::string(low->outcome.status().message()), HasSubstr("at most 200 of low priority may wait"));
  Caller* normal = shares.StartUrgent(shares.Work(10, 10), Priority::kNormal);
  EXPECT_FALSE(normal->done.HasBeenNotified());
  EXPECT_TRUE(shares.StartUrgent(shares.Work(7, 10), Priority::kNormal)->done.HasBeenNotified());
  EXPECT_FALSE(shares.StartUrgent(shares.Work(7, 10), Priority::kHigh)->done.HasBeenNotified());
  EXPECT_EQ(shares.batcher.refused(), (std::array<int64_t, 3>{1, 1, 0}));
}

TEST(EmbedBatcher, RefusesAtOnceWhatCannotBeDoneByItsDeadline) {
  // A token takes a millisecond, of which half is believed.
  Fixture fixture({100, 100'000}, int64_t{1} << 30, 1);
  fixture.gate.Open();
  testing::FakeEncoderOptions options;
  options.on_run = [](int64_t num_tokens) {
    absl::SleepFor(absl::Milliseconds(num_tokens));
    return absl::OkStatus();
  };
  fixture.model = testing::FakeModel(options);
  Caller* first = fixture.Start(fixture.Work(1, 100), absl::Now() + absl::Seconds(20));
  first->done.WaitForNotification();
  ASSERT_TRUE(first->outcome.ok()) << "nothing is known yet: " << first->outcome.status();
  // Or longer, on a busy machine. A batch is believed to take as long as 128 tokens more than it has.
  const absl::Duration token = first->outcome->timing.compute_time / 228;
  const auto in = [token](int64_t num_tokens) { return absl::Now() + num_tokens * token; };

  Caller* hopeless = fixture.Start(fixture.Work(100, 100), in(4500));  // 5064 at best
  ASSERT_TRUE(hopeless->done.HasBeenNotified());
  EXPECT_TRUE(absl::IsDeadlineExceeded(hopeless->outcome.status())) << hopeless->outcome.status();

  Caller* ahead = fixture.Start(fixture.Work(20, 100));
  Caller* behind = fixture.Start(fixture.Work(10, 100), in(700));  // 564, and as much ahead
  ASSERT_TRUE(behind->done.HasBeenNotified());
  EXPECT_TRUE(absl::IsResourceExhausted(behind->outcome.status())) << behind->outcome.status();
  EXPECT_TRUE(RetryDelayOf(behind->outcome.status()).has_value());
  Caller* patient = fixture.Start(fixture.Work(10, 100));
  EXPECT_FALSE(patient->done.HasBeenNotified());
  // Nobody waits for them.
  ahead->cancellation.Cancel();
  patient->cancellation.Cancel();
}

TEST(EmbedBatcher, HoldsTheWorkOfWhoeverWaitsForRoomAndTakesItBeforeNewcomers) {
  Fixture fixture({100, 250});
  fixture.Occupy();
  const absl::Time never = absl::InfiniteFuture();
  for (int i = 0; i < 2; ++i) fixture.Start(fixture.Work(50, 10));
  Caller* held = fixture.Start(fixture.Work(10, 10), never, EmbedBatcher::WhenFull::kHold);
  Caller* small = fixture.Start(fixture.Work(1, 7), never, EmbedBatcher::WhenFull::kHold);  // has room, but not a turn
  Caller* gone = fixture.Start(fixture.Work(10, 10), never, EmbedBatcher::WhenFull::kHold);
  EXPECT_FALSE(held->done.HasBeenNotified());
  EXPECT_EQ(fixture.batcher.waiting_tokens(), 1207);
  gone->cancellation.Cancel();
  fixture.gate.Open();
  for (Caller* caller : {held, small, gone}) caller->done.WaitForNotification();
  EXPECT_TRUE(held->outcome.ok());
  EXPECT_TRUE(small->outcome.ok());
  EXPECT_TRUE(absl::IsCancelled(gone->outcome.status()));
}

TEST(EmbedBatcher, AdmitsOutputsAndScratchAndGivesTheScratchBack) {
  Fixture fixture;
  fixture.gate.Open();
  Caller* caller = fixture.Start(fixture.Work(3, 10));
  caller->done.WaitForNotification();
  ASSERT_TRUE(caller->outcome.ok());
  EXPECT_EQ(caller->reservation.bytes(), 3 * 8 * 4);
}

TEST(EmbedBatcher, RefusesWhatCouldNeverFit) {
  Fixture fixture({}, 10'000);
  Caller* caller = fixture.Start(fixture.Work(1, 200));
  ASSERT_TRUE(caller->done.HasBeenNotified());
  EXPECT_TRUE(absl::IsInvalidArgument(caller->outcome.status())) << caller->outcome.status();
  EXPECT_EQ(fixture.gate.batches().size(), 0u);
}

TEST(EmbedBatcher, RefusesWithARetryDelayWhatDoesNotFitNow) {
  Fixture fixture({}, 40'000);
  fixture.Start(fixture.Work(1, 100));
  Caller* caller = fixture.Start(fixture.Work(1, 150));
  ASSERT_TRUE(caller->done.HasBeenNotified());
  EXPECT_TRUE(absl::IsResourceExhausted(caller->outcome.status())) << caller->outcome.status();
  EXPECT_TRUE(RetryDelayOf(caller->outcome.status()).has_value());
}

TEST(EmbedBatcher, PaysForTheWindowsThatRunAtOnceNotForAll) {
  Fixture fixture({100, 10'000}, int64_t{1} << 30, 2, 50);
  fixture.Occupy();
  const int64_t before = fixture.admission.stats().admitted_bytes;
  fixture.Start(fixture.Work(1, 100'000));  // 150 KB a thousand tokens if all ran at once
  EXPECT_LT(fixture.admission.stats().admitted_bytes - before, 200'000);
}

TEST(EmbedBatcher, PaysForTheThreadsOfEveryBatchThatItsWindowsMayRunIn) {
  Fixture fixture;
  fixture.Occupy();
  const auto admitted = [&fixture] { return fixture.admission.stats().admitted_bytes; };
  const int64_t before = admitted();
  fixture.Start(fixture.Work(1, 20));
  const int64_t one = admitted() - before;
  fixture.Start(fixture.Work(2, 20));
  EXPECT_GE(admitted() - before - one, 2 * one);  // of a thread 1,000 bytes, with FakeEncoder
}

TEST(EmbedBatcher, TellsWaitingFromComputing) {
  Fixture fixture;
  fixture.Occupy();
  EmbedWork work = fixture.Work(1, 5);
  work.arrival = absl::Now() - absl::Seconds(7);
  Caller* caller = fixture.Start(std::move(work));
  fixture.gate.Open();
  caller->done.WaitForNotification();
  ASSERT_TRUE(caller->outcome.ok());
  EXPECT_GE(caller->outcome->timing.queue_time, absl::Seconds(7));
  EXPECT_LT(caller->outcome->timing.compute_time, absl::Seconds(7));
}

TEST(EmbedBatcher, PassesOnTheErrorOfABatchAndGoesOn) {
  Fixture fixture({100, 10'000});
  fixture.gate.Open();
  testing::FakeEncoderOptions options;
  options.on_run = [](int64_t) { return absl::InternalError("broken"); };
  EmbedWork work = fixture.Work(50, 10);
  work.model = testing::FakeModel(options);
  Caller* broken = fixture.Start(std::move(work));
  broken->done.WaitForNotification();
  EXPECT_EQ(broken->outcome.status(), absl::InternalError("broken"));
  Caller* caller = fixture.Start(fixture.Work(1, 10));
  caller->done.WaitForNotification();
  EXPECT_TRUE(caller->outcome.ok());
}

TEST(EmbedBatcher, HeldWorkOfLowPriorityStandsInNobodysWay) {
  const absl::Time never = absl::InfiniteFuture();
  Fixture fixture({100, 300, {0.4, 0.9, 1}});
  fixture.Occupy();
  fixture.Start(fixture.Work(50, 10));  // counts for a batch
  Caller* low = fixture.Start(fixture.Work(5, 10), never, EmbedBatcher::WhenFull::kHold, Priority::kLow);
  Caller* normal = fixture.Start(fixture.Work(5, 10), never, EmbedBatcher::WhenFull::kHold, Priority::kNormal);
  Caller* high = fixture.Start(fixture.Work(5, 10), never, EmbedBatcher::WhenFull::kHold, Priority::kHigh);
  for (int i = 0; !normal->done.HasBeenNotified() || !high->done.HasBeenNotified(); ++i) {
    ASSERT_LT(i, 20);
    fixture.Start(fixture.Work(10, 10));  // so that there is never room for the low one
    fixture.gate.Open(1);
    absl::SleepFor(absl::Milliseconds(20));
  }
  // Nor does it starve.
  for (int i = 0; !low->done.HasBeenNotified(); ++i) {
    ASSERT_LT(i, 40);
    fixture.Start(fixture.Work(10, 10));
    fixture.gate.Open(1);
    absl::SleepFor(absl::Milliseconds(20));
  }
  EXPECT_TRUE(low->outcome.ok());
}

TEST(EmbedBatcher, ManyCallersFromManyThreadsAllGetTheirOwn) {
  Fixture fixture({64, 100'000}, int64_t{1} << 30, 3);
  fixture.gate.Open();
  std::vector<EmbedWork> works;
  for (int i = 0; i < 60; ++i) works.push_back(fixture.Work(1 + i % 5, 1 + i % 13, {Pooling::kMean, true, 0}));
  std::vector<Caller*> callers(works.size());
  for (size_t i = 0; i < works.size(); ++i) callers[i] = &fixture.callers.emplace_back(&fixture.admission);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = t; i < works.size(); i += 4) {
        Caller* caller = callers[i];
        if (i % 7 == 3) caller->cancellation.Cancel();
        fixture.batcher.Start(works[i], &caller->reservation, &caller->cancellation,
                              [caller](absl::StatusOr<EmbedOutcome> outcome) {
                                caller->outcome = std::move(outcome);
                                caller->done.Notify();
                              });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < works.size(); ++i) {
    if (i % 7 == 3) {
      callers[i]->done.WaitForNotification();
      EXPECT_TRUE(absl::IsCancelled(callers[i]->outcome.status()));
    } else {
      ExpectEmbedded(fixture, works[i], callers[i]);
    }
  }
}

}  // namespace
}  // namespace favor
