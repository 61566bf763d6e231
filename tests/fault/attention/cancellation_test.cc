// Work nobody wants any more stops soon, wherever it is.
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "favor/attention/attention.h"
#include "favor/base/thread_pool.h"
#include "gtest/gtest.h"
#include "tests/support/attention_case.h"

namespace favor::testing {
namespace {

// Jobs of many seconds (exact: of hours) must not run to their end. A millisecond or so is what they take to stop on a
// machine of their own; the bound leaves room for a loaded one and for sanitizers.
constexpr absl::Duration kSoon = absl::Seconds(2);

// Millions of rows that all lie in one row of memory (strides of 0); only the output, one value each, is as long.
struct LongCall {
  LongCall(AttentionMode mode, bool causal, const Cancellation* call_cancellation)
      : cancellation(call_cancellation), row(64, 0.1f), output(kHeads * kLength) {
    spec.mode = mode;
    spec.causal = causal;
    inputs.queries = inputs.keys = DenseView(std::as_const(row).data(), {1, kHeads, kLength, 64});
    inputs.values = DenseView(std::as_const(row).data(), {1, kHeads, kLength, 1});
    inputs.queries.strides = inputs.keys.strides = inputs.values.strides = {0, 0, 0, 1};
    if (mode == AttentionMode::kFeatures) inputs.projection = TestProjection(1024, 64, 1);
  }

  Job Plan() {
    return PlanAttention(spec, inputs, DenseView(output.data(), {1, kHeads, kLength, 1}), cancellation, nullptr)
        .value();
  }

  static constexpr int64_t kHeads = 4;
  static constexpr int64_t kLength = 2'000'000;

  AttentionSpec spec;
  AttentionInputs inputs;
  const Cancellation* cancellation;
  std::vector<float> row;
  std::vector<float> output;
};

class LongJob : public ::testing::TestWithParam<std::tuple<AttentionMode, bool>> {};

TEST_P(LongJob, StopsSoonAfterItsDeadline) {
  const auto [mode, causal] = GetParam();
  const absl::Time deadline = absl::Now() + absl::Milliseconds(100);
  const Cancellation cancellation(deadline);
  LongCall call(mode, causal, &cancellation);
  ThreadPool pool(2);
  EXPECT_EQ(pool.Run(call.Plan()).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_GE(absl::Now(), deadline);
  EXPECT_LE(absl::Now() - deadline, kSoon);
}

TEST_P(LongJob, StopsSoonAfterItIsCancelled) {
  const auto [mode, causal] = GetParam();
  Cancellation cancellation;
  LongCall call(mode, causal, &cancellation);
  ThreadPool pool(2);
  absl::Time cancelled_at;
  std::thread canceller([&] {
    while (pool.num_jobs() == 0) std::this_thread::yield();
    cancelled_at = absl::Now();
    cancellation.Cancel();
  });
  EXPECT_EQ(pool.Run(call.Plan()).code(), absl::StatusCode::kCancelled);
  const absl::Time stopped_at = absl::Now();
  canceller.join();
  EXPECT_LE(stopped_at - cancelled_at, kSoon);
}

TEST_P(LongJob, DoesNotStartOnceCancelled) {
  const auto [mode, causal] = GetParam();
  Cancellation cancellation;
  cancellation.Cancel();
  LongCall call(mode, causal, &cancellation);
  const absl::Time start = absl::Now();
  EXPECT_EQ(RunInline(call.Plan()).code(), absl::StatusCode::kCancelled);
  EXPECT_LE(absl::Now() - start, kSoon);
}

INSTANTIATE_TEST_SUITE_P(, LongJob,
                         ::testing::Combine(::testing::Values(AttentionMode::kFeatures, AttentionMode::kExact),
                                            ::testing::Bool()),
                         [](const auto& info) {
                           return absl::StrCat(std::get<1>(info.param) ? "Causal" : "Bidirectional",
                                               std::get<0>(info.param) == AttentionMode::kExact ? "Exact" : "Features");
                         });

}  // namespace
}  // namespace favor::testing
