#include "favor/attention/error_prediction.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "favor/base/thread_pool.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/lib/attention/approximate_call.h"

namespace favor {
namespace {

using ::testing::HasSubstr;

struct Call : testing::ApproximateCall {
  using ApproximateCall::ApproximateCall;

  absl::StatusOr<std::optional<ErrorEstimate>> Predict() {
    if (UsesAnchors(spec.features)) projection = nullptr;
    AttentionReport report;
    if (absl::Status status = Run(&report); !status.ok()) return status;
    ErrorPrediction prediction(spec, Inputs(), &report, nullptr);
    Job job;
    job.phases.push_back(prediction.Plan());
    if (absl::Status status = RunInline(job); !status.ok()) return status;
    return prediction.estimate();
  }
  double PredictedError() {
    const auto estimate = Predict();
    EXPECT_TRUE(estimate.ok()) << estimate.status();
    return (*estimate)->relative_error;
  }
  void Draw(int64_t num_features, uint64_t seed) {
    projection = *DrawProjection({.seed = seed, .num_features = num_features, .head_dim = shape.dim});
  }
};

// What no formula of expected errors sees: with one key every estimate is right, but a denominator below zero is none.
TEST(ErrorPrediction, RowsThatCameOutAsZerosErr) {
  Call call({1, 2, 64, 8}, 2, 3, 1);
  call.key_lengths = {1};
  call.spec.features.estimator = Estimator::kTrigonometric;
  call.Draw(16, 1);
  const auto estimate = call.Predict();
  ASSERT_TRUE(estimate.ok()) << estimate.status();
  EXPECT_NEAR((*estimate)->relative_error, call.TrueError(), 0.1);
  EXPECT_GT((*estimate)->relative_error, 0.3);
  EXPECT_EQ((*estimate)->upper, std::numeric_limits<double>::infinity());
}

struct Kind {
  std::string name;
  FeatureSpec features;
  bool causal = false;
};

FeatureSpec Fitted(Estimator estimator, bool precondition = false, bool antithetic = false) {
  FeatureSpec features;
  features.estimator = estimator;
  features.precondition = precondition;
  features.antithetic = antithetic;
  return features;
}

FeatureSpec Anchors(int64_t num_anchors, int64_t num_directions, int64_t num_fit_rows) {
  FeatureSpec features = Fitted(Estimator::kAnchors);
  features.num_anchors = num_anchors;
  features.num_directions = num_directions;
  features.num_fit_rows = num_fit_rows;
  return features;
}

std::vector<Kind> Kinds() {
  return {{"FAVOR+", {}},
          {"FAVOR+ causal", {}, true},
          {"FAVOR+ antithetic", Fitted(Estimator::kPositive, false, true)},
          {"hyperbolic", Fitted(Estimator::kHyperbolic)},
          {"trigonometric", Fitted(Estimator::kTrigonometric)},
          {"OPRF", Fitted(Estimator::kOprf)},
          {"SADERF", Fitted(Estimator::kSaderf)},
          {"SDERF preconditioned", Fitted(Estimator::kSderf, true)},
          {"first order", Anchors(1, 0, 0)},
          {"best", Anchors(12, 4, 32)}};
}

// What real heads have and N(0, 1) has not: means, and values that follow their keys.
void MakeRealistic(Call* call) {
  const int64_t dim = call->shape.dim;
  for (size_t i = 0; i < call->keys.size(); ++i) {
    const auto l = static_cast<float>(i % dim);
    call->values[i] += call->keys[i] + std::sin(l);
    call->keys[i] += 0.4f * std::cos(l);
  }
  for (size_t i = 0; i < call->queries.size(); ++i) call->queries[i] -= 0.3f * std::sin(static_cast<float>(i % dim));
}

TEST(ErrorPrediction, IntervalsHoldTheErrorsOfCallsOfAllKinds) {
  int num_calls = 0, num_held = 0;
  std::string missed;
  uint32_t seed = 0;
  for (const Kind& kind : Kinds()) {
    for (const double scale : {0.3, 0.6, 1.0}) {
      for (const Shape& shape : {Shape{1, 2, 300, 16}, Shape{1, 4, 500, 32}, Shape{2, 2, 100, 64}}) {
        for (const bool realistic : {false, true}) {
          Call call(shape, 2, scale, ++seed);
          if (realistic) MakeRealistic(&call);
          call.spec.features = kind.features;
          call.spec.causal = kind.causal;
          const auto estimate = call.Predict();
          ASSERT_TRUE(estimate.ok()) << kind.name << ": " << estimate.status();
          ASSERT_TRUE(estimate->has_value());
          const double truth = call.TrueError();
          ++num_calls;
          if ((*estimate)->lower <= truth && truth <= (*estimate)->upper) {
            ++num_held;
          } else {
            absl::StrAppend(&missed, kind.name, " scale ", scale, " dim ", shape.dim, realistic ? " realistic" : "",
                            ": ", truth, " predicted ", (*estimate)->relative_error, "\n");
          }
        }
      }
    }
  }
  EXPECT_GE(num_held, 0.93 * num_calls) << missed;
}

// Values that know nothing of the keys, small norms: Choromanski et al. 2021, Lemma 2 is all there is.
TEST(ErrorPrediction, IsTheMeanSquareOverDrawsWhereNormsAreSmall) {
  Call call({1, 1, 512, 32}, 1, 0.3, 1);
  call.Draw(128, 1);
  const double predicted = call.PredictedError();
  double sum = 0;
  for (uint64_t draw = 0; draw < 24; ++draw) {
    call.projection =
        *DrawProjection({.kind = ProjectionKind::kIid, .seed = draw, .num_features = 128, .head_dim = call.shape.dim});
    AttentionReport report;
    ASSERT_TRUE(call.Run(&report).ok());
    sum += std::pow(call.TrueError(), 2);
  }
  const double truth = std::sqrt(sum / 24);
  EXPECT_GT(predicted, 0.75 * truth);
  EXPECT_LT(predicted, 1.33 * truth);
}

TEST(ErrorPrediction, FallsWithTheSquareRootOfTheNumberOfFeatures) {
  Call call({1, 2, 256, 32}, 2, 0.4, 2);
  call.Draw(64, 1);
  const double few = call.PredictedError();
  call.Draw(1024, 1);
  EXPECT_NEAR(call.PredictedError(), few / 4, 0.02 * few);
}

TEST(ErrorPrediction, OfAntitheticRowsFallsFasterWithTheNorms) {
  Call loud({1, 2, 256, 32}, 2, 0.2, 3), quiet({1, 2, 256, 32}, 2, 0.1, 3);
  // Half the norms: a quarter of the logits' variance. Errors halve, twice over where odd orders cancel.
  const double plain = loud.PredictedError() / quiet.PredictedError();
  for (Call* call : {&loud, &quiet}) call->spec.features.antithetic = true;
  const double antithetic = loud.PredictedError() / quiet.PredictedError();
  EXPECT_GT(plain, 1.8);
  EXPECT_LT(plain, 2.5);
  EXPECT_GT(antithetic, 3.5);
  EXPECT_LT(antithetic, 5.5);
}

TEST(ErrorPrediction, IsThatOfPlainFeaturesForStatisticsThatChangeNothing) {
  Call call({1, 2, 200, 16}, 2, 0.8, 4);
  const double plain = call.PredictedError();
  auto statistics = std::make_shared<Statistics>();
  HeadStatistics neutral;
  neutral.key_shift.assign(16, 0.0);
  neutral.query_transform.assign(16 * 16, 0.0);
  for (int l = 0; l < 16; ++l) neutral.query_transform[17 * l] = 1;
  neutral.proposal = {0};
  statistics->heads.assign(2, neutral);
  call.spec.features.estimator = Estimator::kOprf;
  call.spec.features.precondition = true;
  call.spec.features.statistics = statistics;
  EXPECT_NEAR(call.PredictedError(), plain, 1e-4 * plain);
}

TEST(ErrorPrediction, KnowsWhatTheMeanOfTheValuesWouldGetWrong) {
  for (const bool realistic : {false, true}) {
    Call call({1, 2, 400, 32}, 2, 0.8, 5);
    if (realistic) MakeRealistic(&call);
    const auto estimate = call.Predict();
    ASSERT_TRUE(estimate.ok()) << estimate.status();
    // Features that say nothing of the keys answer with the mean.
    std::fill(call.queries.begin(), call.queries.end(), 0.0f);
    call.TrueError();
    const std::vector<float> means = call.exact;
    Call same({1, 2, 400, 32}, 2, 0.8, 5);
    if (realistic) MakeRealistic(&same);
    same.TrueError();
    const double truth = testing::RelativeError(means, same.exact);
    EXPECT_GT((*estimate)->mean_of_values_error, 0.6 * truth);
    EXPECT_LT((*estimate)->mean_of_values_error, 1.6 * truth);
  }
}

TEST(ErrorPrediction, IsOfApproximationsOfSoftmaxAlone) {
  AttentionSpec spec;
  EXPECT_TRUE(ErrorPrediction::IsPossible(spec));
  spec.features.estimator = Estimator::kAnchors;
  EXPECT_TRUE(ErrorPrediction::IsPossible(spec));
  for (const Kernel kernel : {Kernel::kGeneralized, Kernel::kGaussian, Kernel::kEluPlusOne, Kernel::kTaylor2}) {
    AttentionSpec other;
    other.features.kernel = kernel;
    EXPECT_FALSE(ErrorPrediction::IsPossible(other));
  }
  spec.mode = AttentionMode::kExact;
  EXPECT_FALSE(ErrorPrediction::IsPossible(spec));
}

TEST(ErrorPrediction, ReadsNothingPastTheLengths) {
  Call call({2, 2, 100, 16}, 2, 0.5, 6);
  call.query_lengths = {60, 0};
  call.key_lengths = {70, 0};
  const double clean = call.PredictedError();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (int64_t row = 0; row < 4 * 100; ++row) {
    for (int64_t c = 0; c < 16; ++c) {
      if (row >= 200 || row % 100 >= 60) call.queries[row * 16 + c] = nan;
      if (row >= 200 || row % 100 >= 70) call.keys[row * 16 + c] = call.values[row * 16 + c] = nan;
    }
  }
  EXPECT_EQ(call.PredictedError(), clean);
}

TEST(ErrorPrediction, IsNoneWhereNoRowHasAKey) {
  Call call({2, 2, 10, 16}, 2, 0.5, 7);
  call.query_lengths = {10, 0};
  call.key_lengths = {0, 10};
  const auto estimate = call.Predict();
  ASSERT_TRUE(estimate.ok()) << estimate.status();
  EXPECT_FALSE(estimate->has_value());
}

TEST(ErrorPrediction, IsANumberWhateverTheInputs) {
  for (const Kind& kind : Kinds()) {
    for (const double scale : {0.0, 1e-30, 1e3, 1e12, 1e30}) {
      for (const int64_t length : {1, 2, 40}) {
        Call call({1, 1, length, 8}, 1, scale, 8);
        call.spec.features = kind.features;
        call.spec.causal = kind.causal;
        const auto estimate = call.Predict();
        ASSERT_TRUE(estimate.ok()) << kind.name << ": " << estimate.status();
        const ErrorEstimate& error = **estimate;
        EXPECT_GE(error.lower, 0) << kind.name << " scale " << scale << " length " << length;
        EXPECT_GE(error.relative_error, error.lower);
        EXPECT_GE(error.upper, error.relative_error);
        EXPECT_GE(error.mean_of_values_error, 0);
        EXPECT_GT(error.num_rows, 0);
      }
    }
  }
}

TEST(ErrorPrediction, DoesNotDependOnThreads) {
  Call call({2, 3, 200, 16}, 3, 0.7, 9);
  const double inline_error = call.PredictedError();
  AttentionReport report;
  ASSERT_TRUE(call.Run(&report).ok());
  ErrorPrediction prediction(call.spec, call.Inputs(), &report, nullptr);
  Job job;
  job.phases.push_back(prediction.Plan());
  ThreadPool pool(3);
  ASSERT_TRUE(pool.Run(job).ok());
  EXPECT_EQ(prediction.estimate()->relative_error, inline_error);
}

TEST(ErrorPrediction, StopsWhenItsCallIsCancelled) {
  Call call({1, 2, 100, 16}, 2, 0.7, 10);
  AttentionReport report;
  ASSERT_TRUE(call.Run(&report).ok());
  Cancellation cancellation;
  cancellation.Cancel();
  ErrorPrediction prediction(call.spec, call.Inputs(), &report, &cancellation);
  Job job;
  job.phases.push_back(prediction.Plan());
  EXPECT_TRUE(absl::IsCancelled(RunInline(job)));
}

}  // namespace
}  // namespace favor
