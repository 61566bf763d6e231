#include "favor/attention/error_measurement.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/lib/attention/approximate_call.h"

namespace favor {
namespace {

using ::testing::HasSubstr;

// One whose error is measured.
struct Call : testing::ApproximateCall {
  using ApproximateCall::ApproximateCall;

  absl::StatusOr<ErrorEstimate> Measure(int64_t num_rows, uint64_t seed = 0) {
    const MutableTensorView view = DenseView(output.data(), shape);
    auto measurement = ErrorMeasurement::Create(spec, Inputs(), view, num_rows, seed);
    if (!measurement.ok()) return measurement.status();
    AttentionReport report;
    report.row_moments = (*measurement)->row_moments();
    absl::StatusOr<Job> job = PlanAttention(spec, Inputs(), view, nullptr, &report);
    if (!job.ok()) return job.status();
    (*measurement)->AddDraw(&*job);
    if (absl::Status status = RunInline(*job); !status.ok()) return status;
    absl::StatusOr<Job> rows = (*measurement)->PlanExactRows(nullptr);
    if (!rows.ok()) return rows.status();
    if (absl::Status status = RunInline(*rows); !status.ok()) return status;
    return (*measurement)->estimate();
  }
};

TEST(ErrorMeasurement, OfAllRowsIsTheErrorItself) {
  for (const bool causal : {false, true}) {
    Call call({2, 4, 50, 16}, 2, 0.7, 1);
    call.spec.causal = causal;
    call.query_lengths = {50, 31};
    call.key_lengths = {40, 31};
    const auto estimate = call.Measure(4096);
    ASSERT_TRUE(estimate.ok()) << estimate.status();
    const double truth = call.TrueError();
    EXPECT_NEAR(estimate->relative_error, truth, 1e-5 * truth);
    EXPECT_EQ(estimate->lower, estimate->relative_error);
    EXPECT_EQ(estimate->upper, estimate->relative_error);
    EXPECT_EQ(estimate->num_rows, 4 * (50 + 31));
  }
}

TEST(ErrorMeasurement, KnowsTheErrorOfTheMeanOfTheValues) {
  Call call({1, 2, 200, 16}, 2, 1, 3);
  const auto estimate = call.Measure(4096);
  ASSERT_TRUE(estimate.ok()) << estimate.status();
  call.TrueError();
  double error = 0, norm = 0;
  for (int64_t head = 0; head < 2; ++head) {
    for (int64_t c = 0; c < 16; ++c) {
      const auto at = [&](const std::vector<float>& of, int64_t i) { return double{of[(head * 200 + i) * 16 + c]}; };
      double mean = 0;
      for (int64_t i = 0; i < 200; ++i) mean += at(call.values, i) / 200;
      for (int64_t i = 0; i < 200; ++i) {
        error += std::pow(mean - at(call.exact, i), 2);
        norm += std::pow(at(call.exact, i), 2);
      }
    }
  }
  EXPECT_NEAR(estimate->mean_of_values_error, std::sqrt(error / norm), 1e-5);
}

TEST(ErrorMeasurement, LeavesTheOutputsBitsAlone) {
  for (const bool causal : {false, true}) {
    for (const int64_t heads : {1, 8}) {  // few heads go in parts of the features
      Call call({1, heads, 1000, 32}, heads, 1, 5);
      call.spec.causal = causal;
      ASSERT_TRUE(call.Measure(32).ok());
      std::vector<float> alone(call.output.size());
      ASSERT_TRUE(Attend(call.spec, call.Inputs(), DenseView(alone.data(), call.shape)).ok());
      EXPECT_EQ(std::memcmp(alone.data(), call.output.data(), alone.size() * sizeof(float)), 0) << causal << heads;
    }
  }
}

TEST(ErrorMeasurement, ChoosesTheSameRowsForTheSameSeed) {
  Call call({1, 2, 600, 16}, 2, 1, 7);
  const auto first = call.Measure(32, 5), again = call.Measure(32, 5), other = call.Measure(32, 6);
  EXPECT_EQ(first->relative_error, again->relative_error);
  EXPECT_NE(first->relative_error, other->relative_error);
}

// The interval holds the truth in at least 93% of calls, at r = 32, and is useful. Uniform samples of as many rows miss
// it in a third of such calls.
TEST(ErrorMeasurement, IntervalsHoldTheTruth) {
  int num_calls = 0, num_held = 0;
  std::vector<double> half_widths;
  for (const int64_t length : {256, 1000}) {
    for (const int64_t dim : {16, 64}) {
      for (const double input_scale : {0.5, 1.0, 2.0}) {
        for (const bool causal : {false, true}) {
          for (uint32_t seed = 0; seed < 6; ++seed) {
            Call call({1, 4, length, dim}, 4, input_scale, 100 * seed + 1);
            call.spec.causal = causal;
            const auto estimate = call.Measure(32, seed);
            ASSERT_TRUE(estimate.ok()) << estimate.status();
            const double truth = call.TrueError();
            ++num_calls;
            num_held += estimate->lower <= truth && truth <= estimate->upper ? 1 : 0;
            half_widths.push_back((estimate->upper - estimate->lower) / 2 / estimate->relative_error);
          }
        }
      }
    }
  }
  std::nth_element(half_widths.begin(), half_widths.begin() + num_calls / 2, half_widths.end());
  EXPECT_GE(num_held, 0.93 * num_calls) << num_held << " of " << num_calls;
  EXPECT_LE(half_widths[num_calls / 2], 0.30);
}

TEST(ErrorMeasurement, FindsTheFewRowsThatCarryTheError) {
  int num_held = 0;
  for (uint32_t seed = 0; seed < 20; ++seed) {
    Call call({1, 1, 4000, 16}, 1, 0.3, seed);
    for (int64_t i = 0; i < 5; ++i) {  // five loud queries in four thousand
      for (int64_t c = 0; c < 16; ++c) call.queries[(i * 797 + seed) * 16 + c] *= 15;
    }
    const auto estimate = call.Measure(32, seed);
    ASSERT_TRUE(estimate.ok()) << estimate.status();
    const double truth = call.TrueError();
    num_held += estimate->lower <= truth && truth <= estimate->upper ? 1 : 0;
  }
  EXPECT_GE(num_held, 18);
}

TEST(ErrorMeasurement, TakesOtherTypesAndLayouts) {
  Call call({1, 3, 300, 16}, 3, 0.7, 11);
  const auto dense = call.Measure(64);
  // The same call as [batch, length, heads, dim].
  const auto transpose = [&](const std::vector<float>& from) {
    std::vector<float> to(from.size());
    for (int64_t h = 0; h < 3; ++h) {
      for (int64_t i = 0; i < 300; ++i) std::copy_n(&from[(h * 300 + i) * 16], 16, &to[(i * 3 + h) * 16]);
    }
    return to;
  };
  const std::vector<float> q = transpose(call.queries), k = transpose(call.keys), v = transpose(call.values);
  std::vector<float> output(q.size());
  const auto view = [&](const std::vector<float>& of) {
    TensorView view = DenseView(of.data(), call.shape);
    view.strides = BatchLengthHeadsDim(call.shape);
    return view;
  };
  AttentionInputs inputs = call.Inputs();
  inputs.queries = view(q), inputs.keys = view(k), inputs.values = view(v);
  MutableTensorView out = DenseView(output.data(), call.shape);
  out.strides = BatchLengthHeadsDim(call.shape);
  auto measurement = ErrorMeasurement::Create(call.spec, inputs, out, 64, 0);
  ASSERT_TRUE(measurement.ok());
  AttentionReport report;
  report.row_moments = (*measurement)->row_moments();
  auto job = PlanAttention(call.spec, inputs, out, nullptr, &report);
  (*measurement)->AddDraw(&*job);
  ASSERT_TRUE(RunInline(*job).ok());
  ASSERT_TRUE(RunInline(*(*measurement)->PlanExactRows(nullptr)).ok());
  EXPECT_NEAR((*measurement)->estimate().relative_error, dense->relative_error, 1e-5 * dense->relative_error);
}

// Zeros on both sides would agree.
TEST(ErrorMeasurement, OfExactRowsThatOverflowIsUnknown) {
  Call call({1, 2, 300, 8}, 2, 1, 19);
  for (float& value : call.values) value *= 3e37f;
  const auto estimate = call.Measure(32);
  ASSERT_TRUE(estimate.ok()) << estimate.status();
  EXPECT_EQ(estimate->relative_error, std::numeric_limits<double>::infinity());
  EXPECT_EQ(estimate->mean_of_values_error, std::numeric_limits<double>::infinity());
  EXPECT_EQ(estimate->lower, 0);
  EXPECT_EQ(estimate->upper, std::numeric_limits<double>::infinity());
  EXPECT_EQ(estimate->num_rows, 32);
}

TEST(ErrorMeasurement, RefusesByName) {
  Call call({1, 1, 20, 8}, 1, 1, 13);
  for (const int64_t rows : {int64_t{7}, int64_t{4097}, int64_t{-1}}) {
    EXPECT_THAT(std::string(call.Measure(rows).status().message()),
                HasSubstr(absl::StrCat("measure_error_rows is ", rows, ", must be from 8 to 4096")));
  }
  call.spec.features.kernel = Kernel::kGeneralized;
  EXPECT_THAT(std::string(call.Measure(32).status().message()), HasSubstr("only the softmax kernel"));
  call.spec.mode = AttentionMode::kExact;
  EXPECT_THAT(std::string(call.Measure(32).status().message()), HasSubstr("exact attention has no error"));
}

TEST(ErrorMeasurement, OfNothingIsZero) {
  Call call({1, 2, 0, 8}, 2, 1, 17);
  const auto estimate = call.Measure(32);
  ASSERT_TRUE(estimate.ok()) << estimate.status();
  EXPECT_EQ(estimate->relative_error, 0);
  EXPECT_EQ(estimate->num_rows, 0);
}

TEST(StudentT95, IsWithinAPercentOfTheTable) {
  const std::vector<std::pair<int64_t, double>> table = {
      {4, 2.7764}, {7, 2.3646}, {15, 2.1314}, {31, 2.0395}, {1000, 1.9623}};
  for (const auto& [n, t] : table) EXPECT_NEAR(internal::StudentT95(n), t, 0.01 * t) << n;
}

TEST(EstimateError, OfZeroOutputsThatShouldBeZeroIsZeroAndElseInfinite) {
  const std::vector<internal::MeasuredRow> right(8, {0.1, 0, 0, 0}), wrong(8, {0.1, 1, 0, 0});
  EXPECT_EQ(internal::EstimateError(right, false).upper, 0);
  EXPECT_EQ(internal::EstimateError(wrong, false).lower, std::numeric_limits<double>::infinity());
}

}  // namespace
}  // namespace favor
