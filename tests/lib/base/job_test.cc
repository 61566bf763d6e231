#include "favor/base/job.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace favor {
namespace {

using Trace = std::vector<std::array<int64_t, 3>>;  // phase, chain, step

Phase Traced(int64_t phase, int64_t num_chains, int64_t steps_per_chain, Trace* trace) {
  return {num_chains, steps_per_chain, [phase, trace](int64_t chain, int64_t step) {
            trace->push_back({phase, chain, step});
            return absl::OkStatus();
          }};
}

TEST(RunInline, RunsPhasesChainsAndStepsInOrder) {
  Trace trace;
  Job job{{Traced(0, 2, 2, &trace), Traced(1, 0, 3, &trace), Traced(2, 3, 0, &trace), Traced(3, 1, 1, &trace)}};
  EXPECT_TRUE(RunInline(job).ok());
  EXPECT_EQ(trace, (Trace{{0, 0, 0}, {0, 0, 1}, {0, 1, 0}, {0, 1, 1}, {3, 0, 0}}));
}

TEST(RunInline, OfAnEmptyJobIsOk) { EXPECT_TRUE(RunInline(Job()).ok()); }

TEST(SideBySide, RunsEveryStepOfEveryJobInTheOrderOfItsPhases) {
  Trace first, second, none;
  std::vector<Job> jobs;
  jobs.push_back({{Traced(0, 2, 3, &first), Traced(1, 1, 1, &first)}});
  jobs.push_back({});
  jobs.push_back({{Traced(0, 1, 1, &second), Traced(1, 0, 5, &second), Traced(2, 2, 1, &second)}});
  const Job whole = SideBySide(std::move(jobs));
  ASSERT_EQ(whole.phases.size(), 3);
  EXPECT_EQ(whole.phases[0].num_chains, 3);
  EXPECT_TRUE(RunInline(whole).ok());
  EXPECT_EQ(first, (Trace{{0, 0, 0}, {0, 0, 1}, {0, 0, 2}, {0, 1, 0}, {0, 1, 1}, {0, 1, 2}, {1, 0, 0}}));
  EXPECT_EQ(second, (Trace{{0, 0, 0}, {2, 0, 0}, {2, 1, 0}}));
}

TEST(RunInline, StopsAtTheFirstError) {
  Trace trace;
  Phase failing{3, 2, [&](int64_t chain, int64_t step) -> absl::Status {
                  trace.push_back({0, chain, step});
                  if (chain == 1) return absl::DataLossError("chain 1");
                  return absl::OkStatus();
                }};
  EXPECT_EQ(RunInline({{failing, Traced(1, 1, 1, &trace)}}), absl::DataLossError("chain 1"));
  EXPECT_EQ(trace, (Trace{{0, 0, 0}, {0, 0, 1}, {0, 1, 0}}));
}

}  // namespace
}  // namespace favor
