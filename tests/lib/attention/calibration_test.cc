#include "favor/attention/calibration.h"

#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "favor/attention/attention_stream.h"
#include "favor/attention/stratified_rows.h"
#include "favor/base/thread_pool.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/attention_case.h"
#include "tests/support/errors.h"
#include "tests/support/implementation.h"
#include "tests/support/laws/verdict.h"
#include "tests/support/streamed_attention.h"

namespace favor::testing {
namespace {

using ::testing::HasSubstr;

AttentionSpec Fitted(Estimator estimator = Estimator::kSderf, bool precondition = true) {
  AttentionSpec spec;
  spec.features.estimator = estimator;
  spec.features.precondition = precondition;
  return spec;
}

// A case whose statistics are yet to be measured.
AttentionCase Unmeasured(const AttentionSpec& spec, const AttentionShape& shape, double input_scale = 1) {
  AttentionCase result = GaussianCase(spec, shape, TestProjection(40, shape.head_dim, 3), 5, input_scale);
  result.spec.features.statistics = nullptr;
  return result;
}

absl::StatusOr<Statistics> Calibrated(const AttentionCase& attention_case, ThreadPool* pool = nullptr) {
  auto statistics = std::make_shared<Statistics>();
  const auto calibrate = [&](const AttentionSpec& spec, const AttentionInputs& inputs) {
    absl::StatusOr<Job> job = PlanCalibration(spec, inputs, nullptr, statistics);
    absl::Status status = !job.ok() ? job.status() : pool == nullptr ? RunInline(*job) : pool->Run(*std::move(job));
    return status.ok() ? absl::StatusOr<AttentionResult>(AttentionResult()) : status;
  };
  const absl::StatusOr<AttentionResult> result = Compute(calibrate, attention_case);
  if (!result.ok()) return result.status();
  return *statistics;
}

const AttentionShape kShape{3, 4, 2, 70, 90, 6, 5};

TEST(Calibration, MeasuresWhatABidirectionalCallMeasuresItself) {
  for (const Estimator estimator : {Estimator::kOprf, Estimator::kSderf, Estimator::kSaderf}) {
    for (const bool precondition : {false, true}) {
      const AttentionCase attention_case = Unmeasured(Fitted(estimator, precondition), kShape);
      const absl::StatusOr<AttentionResult> result = Compute(LibraryAttention(), attention_case);
      ASSERT_TRUE(result.ok()) << result.status();
      ASSERT_NE(result->report.statistics, nullptr);
      EXPECT_EQ(*result->report.statistics, *Calibrated(attention_case));
    }
  }
}

TEST(Calibration, GivenBackMakesTheSameCall) {
  AttentionCase attention_case = Unmeasured(Fitted(), kShape);
  const AttentionResult measured = Compute(LibraryAttention(), attention_case).value();
  attention_case.spec.features.statistics = measured.report.statistics;
  const AttentionResult given = Compute(LibraryAttention(), attention_case).value();
  EXPECT_TRUE(SameBits(given.output, measured.output));
  EXPECT_EQ(given.report.statistics, nullptr) << "only what was measured is reported";
}

TEST(Calibration, MakesACausalStreamWhatTheUnaryCallIs) {
  AttentionCase attention_case = Unmeasured(Fitted(), {2, 4, 2, 130, 130, 6, 5});
  attention_case.spec.features.statistics = std::make_shared<const Statistics>(Calibrated(attention_case).value());
  attention_case.spec.causal = true;
  const AttentionResult unary = Compute(LibraryAttention(), attention_case).value();
  const AttentionResult stream = Compute(StreamedAttention({.max_length = 50}), attention_case).value();
  const Verdict verdict =
      CompareRows(stream.output, unary.output, OracleOf(attention_case).rounding, /*tolerance=*/2e-5);
  EXPECT_TRUE(verdict.holds) << verdict;
}

TEST(Calibration, HasTheSameBitsOnAnyNumberOfThreads) {
  const AttentionCase attention_case = Unmeasured(Fitted(), {2, 6, 3, 700, 900, 17, 3});
  const Statistics alone = Calibrated(attention_case).value();
  for (const int num_threads : {1, 2, 5}) {
    ThreadPool pool(num_threads);
    EXPECT_EQ(*Calibrated(attention_case, &pool), alone);
  }
}

TEST(Calibration, IsOfEveryKeyHeadAndTheQueriesThatShareIt) {
  AttentionCase attention_case = Unmeasured(Fitted(), kShape);
  const Statistics before = Calibrated(attention_case).value();
  ASSERT_EQ(before.heads.size(), 2u);
  attention_case.queries.Row(1, 3, 7)[2] += 1;  // of the second key head
  const Statistics after = Calibrated(attention_case).value();
  EXPECT_EQ(after.heads[0], before.heads[0]);
  EXPECT_FALSE(after.heads[1] == before.heads[1]);
}

TEST(Calibration, DoesNotReadPadding) {
  AttentionCase attention_case = Unmeasured(Fitted(), kShape);
  attention_case.query_lengths = {70, 0, 13};
  attention_case.key_lengths = {1, 90, 44};
  const Statistics before = Calibrated(attention_case).value();
  for (int64_t head = 0; head < 4; ++head) attention_case.queries.Row(2, head, 13)[0] = NAN;
  for (int64_t head = 0; head < 2; ++head) attention_case.keys.Row(0, head, 1)[0] = 1e9;
  EXPECT_EQ(*Calibrated(attention_case), before);
}

TEST(Calibration, OfALongSequenceTakesASampleOfAllOfIt) {
  // Rows that change half way: a sample of the beginning would miss it.
  AttentionCase attention_case = Unmeasured(Fitted(Estimator::kOprf, false), {1, 1, 1, 5000, 5000, 4, 1});
  for (int64_t i = 2500; i < 5000; ++i) attention_case.queries.Row(0, 0, i)[0] *= 10;
  double squares = 0;
  for (const double x : attention_case.queries.values) squares += x * x / 5000;
  for (const double y : attention_case.keys.values) squares += y * y / 5000;
  const double phi = 0.5 * squares, d = 4;
  const double rho = 2 * d / (2 * phi + d + std::sqrt((2 * phi + d) * (2 * phi + d) + 8 * d * phi));
  // Five hundred of five thousand rows; the mean of their squares is good to some 7%.
  EXPECT_NEAR(Calibrated(attention_case)->heads[0].proposal[0] / ((1 - 1 / rho) / 8), 1, 0.2);
}

TEST(Calibration, NamesARowThatIsNotFinite) {
  AttentionCase attention_case = Unmeasured(Fitted(), {1, 2, 1, 3000, 40, 4, 1});
  // A sampled row of 6000 of queries; those of the second head start at 3000.
  const int64_t position = internal::StratifiedRows::InSteps(6000, 512).Row(300) - 3000;
  attention_case.queries.Row(0, 1, position)[3] = std::numeric_limits<double>::infinity();
  const absl::Status status = Calibrated(attention_case).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_EQ(status.message(), absl::StrCat("queries[0, 1, ", position, ", 3] is inf, must be finite"));
}

TEST(Calibration, RefusesWhatTakesNoStatistics) {
  AttentionCase attention_case = Unmeasured(AttentionSpec(), kShape);
  EXPECT_THAT(std::string(Calibrated(attention_case).status().message()), HasSubstr("nothing to measure"));
  attention_case.spec.mode = AttentionMode::kExact;
  EXPECT_THAT(std::string(Calibrated(attention_case).status().message()), HasSubstr("nothing to measure"));
}

TEST(WithoutStatistics, CausalCallsAreFavorPlus) {
  for (const bool antithetic : {false, true}) {
    AttentionSpec spec = Fitted();
    spec.causal = true;
    spec.features.antithetic = antithetic;
    AttentionCase attention_case = Unmeasured(spec, {2, 2, 2, 100, 100, 6, 5});
    const AttentionResult result = Compute(LibraryAttention(), attention_case).value();
    EXPECT_EQ(result.report.statistics, nullptr);
    attention_case.spec.features = {};
    if (antithetic) attention_case.spec.features.estimator = Estimator::kHyperbolic;
    EXPECT_TRUE(SameBits(result.output, Compute(LibraryAttention(), attention_case)->output));
  }
}

TEST(WithoutStatistics, StatesAreThoseOfFavorPlus) {
  const auto projection = TestProjection(40, 6, 3);
  const StateSizes sizes{1, 2, 6, 5};
  const StateDescription fitted = DescribeState(Fitted(), sizes, projection).value();
  const StateDescription plain = DescribeState(AttentionSpec(), sizes, projection).value();
  EXPECT_EQ(CheckSameDescription("state", fitted, plain), absl::OkStatus());
}

TEST(GivenStatistics, ThatCannotBeUsedEndTheCall) {
  AttentionCase attention_case = GaussianCase(Fitted(Estimator::kPositive), kShape, TestProjection(40, 6, 3), 5);
  Statistics statistics = *attention_case.spec.features.statistics;
  statistics.heads[1].query_transform.assign(36, 1.0);
  attention_case.spec.features.statistics = std::make_shared<const Statistics>(statistics);
  const absl::Status status = Compute(LibraryAttention(), attention_case).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("statistics.heads[1].query_transform is singular"));
}

TEST(GivenStatistics, KeepStatesApart) {
  const auto projection = TestProjection(40, 6, 3);
  const StateSizes sizes{1, 2, 6, 5};
  const auto description = [&](uint64_t seed) {
    const AttentionCase attention_case = GaussianCase(Fitted(), {1, 2, 2, 4, 4, 6, 5}, projection, seed);
    return DescribeState(attention_case.spec, sizes, projection).value();
  };
  EXPECT_EQ(CheckSameDescription("state", description(1), description(1)), absl::OkStatus());
  const absl::Status status = CheckSameDescription("state", description(1), description(2));
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("state.projection_id is "));
}

TEST(FittedEstimators, RefuseRowsOfEqualNorm) {
  AttentionCase attention_case = Unmeasured(Fitted(Estimator::kOprf, false), kShape);
  attention_case.projection = DrawProjection({ProjectionKind::kOrthogonal, RowNorms::kSqrtDim, 0, 12, 6}).value();
  const absl::Status status = Compute(LibraryAttention(), attention_case).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("projection.row_norms is sqrt_dim, must be chi"));
}

}  // namespace
}  // namespace favor::testing
