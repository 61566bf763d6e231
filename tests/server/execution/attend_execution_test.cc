#include "server/execution/attend_execution.h"

#include <cmath>
#include <cstring>
#include <random>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"

namespace favor {
namespace {

OwnedTensor Filled(const Shape& shape, float value) {
  OwnedTensor tensor;
  tensor.shape = shape;
  tensor.data = *AlignedBuffer<std::byte>::Allocate(shape.num_elements() * 4);
  for (int64_t i = 0; i < shape.num_elements(); ++i) std::memcpy(tensor.data.data() + 4 * i, &value, 4);
  return tensor;
}

AttendWork Work(int64_t length = 33, uint64_t seed = 0) {
  AttendWork work;
  work.queries = Filled({2, 4, length, 8}, 0.25f);
  work.keys = Filled({2, 2, length, 8}, -0.5f);
  work.values = Filled({2, 2, length, 6}, 3.0f);
  work.drawn_projection = ProjectionSpec{ProjectionKind::kOrthogonal, RowNorms::kChi, seed, 32, 8};
  return work;
}

// Queries, keys and values that differ from row to row.
AttendWork RandomWork(int64_t length) {
  AttendWork work = Work(length);
  std::mt19937 random(5);
  std::normal_distribution<float> normal(0, 0.7f);
  for (OwnedTensor* tensor : {&work.queries, &work.keys, &work.values}) {
    for (int64_t i = 0; i < tensor->shape.num_elements(); ++i) {
      const float value = normal(random);
      std::memcpy(tensor->data.data() + 4 * i, &value, 4);
    }
  }
  return work;
}

struct Fixture {
  explicit Fixture(int64_t budget = int64_t{1} << 30) : admission({budget, 100}) {}

  absl::StatusOr<AttendResult> Run(AttendWork work, const Cancellation& cancellation = Cancellation(),
                                   const AttendExecution* by = nullptr) {
    Admission::Reservation reservation = *admission.Admit(0, "the request");
    absl::StatusOr<AttendResult> result;
    absl::Notification done;
    (by == nullptr ? &execution : by)
        ->Start(std::move(work), &reservation, &cancellation, [&](absl::StatusOr<AttendResult> ended) {
          result = std::move(ended);
          done.Notify();
        });
    done.WaitForNotification();
    return result;
  }

  Admission admission;
  Compute compute{2};
  ProjectionDraws draws{1 << 20};
  AttendExecution execution{&compute, &draws};
};

TEST(AttendExecution, AnswersWithOutputProjectionAndReport) {
  Fixture fixture;
  const absl::StatusOr<AttendResult> result = fixture.Run(Work());
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->output.shape, (Shape{2, 4, 33, 6}));
  float first = 0;
  std::memcpy(&first, result->output.data.data(), 4);
  EXPECT_NEAR(first, 3.0f, 1e-5);  // a constant V comes back
  EXPECT_EQ(result->report.num_features, 32);
  EXPECT_EQ(result->projection->id().size(), 32);
}

TEST(AttendExecution, DrawsAProjectionOnce) {
  Fixture fixture;
  const auto first = fixture.Run(Work());
  const auto second = fixture.Run(Work());
  EXPECT_EQ(first->projection, second->projection);
  EXPECT_NE(fixture.Run(Work(33, 1))->projection, first->projection);
}

TEST(AttendExecution, RefusesAnOutputBeyondTheBudgetBeforeAllocatingIt) {
  Fixture fixture(3000);  // the projection's bytes fit, the output's 6,336 do not
  const absl::Status status = fixture.Run(Work()).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  ProjectionSpec projection;
  projection.num_features = 32;
  projection.head_dim = 8;
  EXPECT_EQ(status.message(), absl::StrCat("the output takes 6336 bytes beside ", DrawnProjectionBytes(projection),
                                           " held by the call, the memory budget is 3000"));
  EXPECT_EQ(fixture.admission.stats().admitted_bytes, 0);
}

TEST(AttendExecution, ACancelledCallEndsCancelled) {
  Fixture fixture;
  Cancellation cancellation;
  cancellation.Cancel();
  EXPECT_TRUE(absl::IsCancelled(fixture.Run(Work(), cancellation).status()));
}

TEST(AttendExecution, ACallCancelledAmidItsTilesStopsThere) {
  Fixture fixture;
  Cancellation cancellation;
  Admission::Reservation reservation = *fixture.admission.Admit(0, "the request");
  absl::Status status;
  absl::Notification done;
  AttendWork work = Work(20000);
  work.spec.mode = AttentionMode::kExact;  // some seconds, were it to run to its end
  work.drawn_projection.reset();
  fixture.execution.Start(std::move(work), &reservation, &cancellation, [&](absl::StatusOr<AttendResult> result) {
    status = result.status();
    done.Notify();
  });
  cancellation.Cancel();
  done.WaitForNotification();
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
}

TEST(AttendExecution, AnEmptyOutputNeedsNoCompute) {
  Fixture fixture;
  const auto result = fixture.Run(Work(0));
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(result->output.data.empty());
}

// Its error is that which the same call reports where it asks for it; the answer keeps its bits.
TEST(AttendExecution, MeasuresAShareOfCallsThatDidNotAskForIt) {
  Fixture fixture;
  absl::Mutex mutex;
  std::vector<double> errors;
  const auto record = [&](const ErrorEstimate& error) {
    absl::MutexLock lock(&mutex);
    errors.push_back(error.relative_error);
  };
  const AttendExecution measuring(&fixture.compute, &fixture.draws, {}, {0.5, record});
  AttendWork asking = RandomWork(200);
  asking.measure_error_rows = 32;
  const auto asked = fixture.Run(std::move(asking));
  ASSERT_TRUE(asked.ok() && asked->measured_error.has_value());
  for (size_t call = 0; call < 4; ++call) {
    const auto result = fixture.Run(RandomWork(200), Cancellation(), &measuring);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_FALSE(result->measured_error.has_value());
    EXPECT_EQ(std::memcmp(result->output.data.data(), asked->output.data.data(), asked->output.data.size()), 0);
    {
      const auto has_recorded = [&] { return errors.size() == (call + 1) / 2; };
      absl::MutexLock lock(&mutex);
      EXPECT_TRUE(mutex.AwaitWithTimeout(absl::Condition(&has_recorded), absl::Seconds(60)));
    }
    // One at a time: a call that came before this one had let go would pass by.
    while (fixture.admission.stats().admitted_bytes > 0) absl::SleepFor(absl::Milliseconds(1));
  }
  for (const double error : errors) {
    EXPECT_NEAR(std::log(error / asked->measured_error->relative_error), 0, 0.7);
  }
}

TEST(AttendExecution, NeverMeasuresWhatIsExactOrOfAnotherKernel) {
  Fixture fixture;
  const AttendExecution measuring(&fixture.compute, &fixture.draws, {},
                                  {1, [](const ErrorEstimate&) { ADD_FAILURE(); }});
  AttendWork exact = RandomWork(50), relu = RandomWork(50);
  exact.spec.mode = AttentionMode::kExact;
  exact.drawn_projection.reset();
  relu.spec.features.kernel = Kernel::kGeneralized;
  EXPECT_TRUE(fixture.Run(std::move(exact), Cancellation(), &measuring).ok());
  EXPECT_TRUE(fixture.Run(std::move(relu), Cancellation(), &measuring).ok());
  EXPECT_EQ(fixture.admission.stats().admitted_bytes, 0);
}

// What it would hold is more than there is: the call goes on without it.
TEST(AttendExecution, MeasuresNothingWhereMemoryIsShort) {
  int64_t enough = 0;
  for (int64_t budget = 50'000; enough == 0; budget += 10'000) {
    if (Fixture(budget).Run(RandomWork(200)).ok()) enough = budget;
  }
  Fixture fixture(enough);
  const AttendExecution measuring(&fixture.compute, &fixture.draws, {},
                                  {1, [](const ErrorEstimate&) { ADD_FAILURE(); }});
  const auto result = fixture.Run(RandomWork(200), Cancellation(), &measuring);
  EXPECT_TRUE(result.ok()) << result.status();
}

TEST(AttendExecution, ManyCallsAtOnceAgreeWithOneAlone) {
  Fixture fixture;
  const auto alone = fixture.Run(Work());
  constexpr int kCalls = 24;
  std::vector<absl::StatusOr<AttendResult>> results(kCalls);
  std::vector<Admission::Reservation> reservations;
  for (int i = 0; i < kCalls; ++i) reservations.push_back(*fixture.admission.Admit(0, "the request"));
  absl::BlockingCounter left(kCalls);
  const Cancellation none;
  for (int i = 0; i < kCalls; ++i) {
    fixture.execution.Start(Work(33, i % 3), &reservations[i], &none, [&, i](absl::StatusOr<AttendResult> result) {
      results[i] = std::move(result);
      left.DecrementCount();
    });
  }
  left.Wait();
  for (int i = 0; i < kCalls; i += 3) {
    ASSERT_TRUE(results[i].ok());
    EXPECT_EQ(std::memcmp(results[i]->output.data.data(), alone->output.data.data(), alone->output.data.size()), 0);
  }
}

}  // namespace
}  // namespace favor
