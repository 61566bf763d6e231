#include "server/execution/admission.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <fstream>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "server/execution/retry_delay.h"
#include "tests/support/sanitizer.h"

namespace favor {
namespace {

TEST(Admission, RefusesWithARetryDelayWhenThereIsNoRoomNow) {
  Admission admission({.memory_budget_bytes = 100, .max_calls = 10});
  std::optional<Admission::Reservation> first = *admission.Admit(60, "the request");
  const absl::Status refused = admission.Admit(41, "the request").status();
  EXPECT_TRUE(absl::IsResourceExhausted(refused));
  EXPECT_EQ(refused.message(), "the request takes 41 bytes, 40 of the 100 bytes of the memory budget are free");
  EXPECT_GT(RetryDelayOf(refused), absl::ZeroDuration());
  first.reset();
  EXPECT_TRUE(admission.Admit(41, "the request").ok());
}

TEST(Admission, CallsWhatCanNeverFitInvalid) {
  Admission admission({.memory_budget_bytes = 100, .max_calls = 10});
  const absl::Status refused = admission.Admit(101, "the request").status();
  EXPECT_TRUE(absl::IsInvalidArgument(refused)) << refused;
  EXPECT_FALSE(RetryDelayOf(refused));

  auto held = admission.Admit(60, "the request");
  EXPECT_TRUE(absl::IsInvalidArgument(held->Grow(41, "the output")));
  EXPECT_EQ(held->bytes(), 60);
}

TEST(Admission, BoundsTheNumberOfCalls) {
  Admission admission({.memory_budget_bytes = 100, .max_calls = 1});
  std::optional<Admission::Reservation> first = *admission.Admit(1, "the request");
  EXPECT_TRUE(absl::IsResourceExhausted(admission.Admit(1, "the request").status()));
  first.reset();
  EXPECT_TRUE(admission.Admit(1, "the request").ok());
}

TEST(Admission, TheLessUrgentIsRefusedFirst) {
  Admission admission({.memory_budget_bytes = 100, .max_calls = 10, .shares = {0.5, 0.9, 1}});
  const auto held = admission.Admit(45, "the request", Priority::kLow);
  const absl::Status low = admission.Admit(6, "the request", Priority::kLow).status();
  EXPECT_EQ(low.message(),
            "the request takes 6 bytes, 5 of the 100 bytes of the memory budget are free for calls of low priority");
  const auto normal = admission.Admit(45, "the request", Priority::kNormal);
  ASSERT_TRUE(normal.ok());
  EXPECT_FALSE(admission.Admit(1, "the request", Priority::kNormal).ok());
  const auto high = admission.Admit(10, "the request", Priority::kHigh);
  EXPECT_TRUE(high.ok());
  EXPECT_FALSE(admission.Admit(1, "the request", Priority::kHigh).ok());
  EXPECT_EQ(admission.stats().refused_by_priority, (std::array<int64_t, 3>{1, 1, 1}));
}

TEST(Admission, ACallByItselfMayTakeAllWhateverItsPriority) {
  Admission admission({.memory_budget_bytes = 100, .max_calls = 10, .shares = {0.5, 0.9, 1}});
  auto low = admission.Admit(60, "the request", Priority::kLow);
  ASSERT_TRUE(low.ok());
  EXPECT_TRUE(low->Grow(40, "the output").ok());
  *low = {};
  // Of what models leave.
  const auto model = admission.HoldModel(60);
  EXPECT_TRUE(admission.Admit(40, "the request", Priority::kLow).ok());
  const auto held = admission.Admit(10, "the request", Priority::kNormal);
  EXPECT_TRUE(admission.Admit(10, "the request", Priority::kLow).ok()) << "half of 40 bytes is filled";
  EXPECT_FALSE(admission.Admit(11, "the request", Priority::kLow).ok());
}

TEST(Admission, SharesOfCallsAreRoundedUp) {
  Admission admission({.memory_budget_bytes = 100, .max_calls = 3, .shares = {0.5, 0.9, 1}});
  const auto first = admission.Admit(1, "the request", Priority::kLow);
  const auto second = admission.Admit(1, "the request", Priority::kLow);
  EXPECT_TRUE(second.ok()) << "two of three";
  const absl::Status refused = admission.Admit(1, "the request", Priority::kLow).status();
  EXPECT_EQ(refused.message(), "2 calls are in flight, at most 2 for calls of low priority are admitted");
  EXPECT_TRUE(admission.Admit(1, "the request", Priority::kNormal).ok());
}

TEST(Admission, CountsWhatItHoldsAndWhatItRefused) {
  Admission admission({.memory_budget_bytes = 100, .max_calls = 2});
  auto first = admission.Admit(50, "the request");
  ASSERT_TRUE(first->Grow(30, "the output").ok());
  first->Shrink(10);
  EXPECT_FALSE(admission.Admit(31, "the request").ok());
  EXPECT_FALSE(admission.Admit(200, "the request").ok());
  auto second = admission.Admit(0, "the request");
  EXPECT_FALSE(admission.Admit(0, "the request").ok());
  const AdmissionStats stats = admission.stats();
  EXPECT_EQ(stats.admitted_bytes, 70);
  EXPECT_EQ(stats.admitted_calls, 2);
  EXPECT_EQ(stats.refused_for_memory, 1);
  EXPECT_EQ(stats.refused_as_too_large, 1);
  EXPECT_EQ(stats.refused_for_calls, 1);
}

TEST(Admission, AMovedReservationGivesBackOnce) {
  Admission admission({.memory_budget_bytes = 100, .max_calls = 10});
  {
    Admission::Reservation first = *admission.Admit(50, "the request");
    Admission::Reservation second = std::move(first);
    first = *admission.Admit(20, "the request");
    second = std::move(first);
    EXPECT_EQ(admission.stats().admitted_bytes, 20);
  }
  EXPECT_EQ(admission.stats().admitted_bytes, 0);
  EXPECT_EQ(admission.stats().admitted_calls, 0);
}

TEST(Admission, NeverExceedsItsBudgetUnderContention) {
  constexpr int64_t kBudget = 1000;
  Admission admission({.memory_budget_bytes = kBudget, .max_calls = 7});
  std::atomic<bool> exceeded = false;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::array<Admission::Reservation, 4> held;  // four threads would like to hold 2,500 bytes and more
      for (int i = 0; i < 2000; ++i) {
        auto reservation = admission.Admit(100 + 37 * t, "the request");
        if (!reservation.ok()) {
          held[i % 4] = {};
          continue;
        }
        reservation->Grow(i % 300, "the output").IgnoreError();
        held[i % 4] = *std::move(reservation);
        const AdmissionStats stats = admission.stats();
        if (stats.admitted_bytes > kBudget || stats.admitted_calls > 7) exceeded = true;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(exceeded);
  EXPECT_EQ(admission.stats().admitted_bytes, 0);
}

TEST(Admission, AReservationBesideAnotherCountsItsBytesAndNoCall) {
  Admission admission({100, 1});
  absl::StatusOr<Admission::Reservation> first = admission.Admit(40, "the request");
  ASSERT_TRUE(first.ok());
  {
    Admission::Reservation beside = first->Beside();
    EXPECT_TRUE(beside.Grow(50, "more").ok());
    EXPECT_FALSE(beside.Grow(20, "too much").ok());
    EXPECT_EQ(admission.stats().admitted_bytes, 90);
    EXPECT_EQ(admission.stats().admitted_calls, 1);
  }
  EXPECT_EQ(admission.stats().admitted_bytes, 40);
  EXPECT_EQ(admission.stats().admitted_calls, 1);
}

int64_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  int64_t size = 0, resident = 0;
  statm >> size >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

// What calls and models took is given back to the system, though malloc would keep it below a block that is in use.
TEST(Admission, FreedMemoryDoesNotStayResident) {
  if (testing::kSanitized) GTEST_SKIP() << "another malloc";
  Admission admission({int64_t{1} << 30, 8});
  constexpr int64_t kBlock = 48 << 10, kBlocks = 4000;
  for (const bool of_model : {false, true}) {
    absl::StatusOr<Admission::Reservation> call;
    std::optional<Admission::ModelMemory> model;
    if (of_model) {
      model.emplace(*admission.HoldModel(kBlock * kBlocks));
    } else {
      call = admission.Admit(kBlock * kBlocks, "the request");
    }
    std::vector<std::vector<char>> blocks;
    for (int i = 0; i < kBlocks; ++i) blocks.emplace_back(kBlock, 1);
    const std::vector<char> last(kBlock, 1);
    const int64_t full = ResidentBytes();
    blocks = {};
    call = absl::UnknownError("no more");
    model.reset();
    EXPECT_LT(ResidentBytes(), full - kBlock * kBlocks * 3 / 4) << (of_model ? "a model" : "a call");
  }
}

}  // namespace
}  // namespace favor
