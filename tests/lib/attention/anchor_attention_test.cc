#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include "favor/attention/attention.h"
#include "favor/attention/attention_state.h"
#include "favor/attention/error_measurement.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/lib/attention/anchor_oracle.h"
#include "tests/support/attention_case.h"
#include "tests/support/errors.h"
#include "tests/support/implementation.h"
#include "tests/support/random.h"

namespace favor::testing {
namespace {

using ::testing::HasSubstr;

AttentionSpec Anchors(int64_t num_anchors, int64_t num_fit_rows = 0, int64_t num_directions = 0) {
  AttentionSpec spec;
  spec.features.estimator = Estimator::kAnchors;
  spec.features.num_anchors = num_anchors;
  spec.features.num_fit_rows = num_fit_rows;
  spec.features.num_directions = num_directions;
  return spec;
}

// A case that measures its anchors itself.
AttentionCase Unmeasured(const AttentionSpec& spec, const AttentionShape& shape, uint64_t seed, double scale = 1) {
  AttentionSpec neutral = spec;
  neutral.features = {};
  AttentionCase result = GaussianCase(neutral, shape, nullptr, seed, scale);
  result.spec = spec;
  return result;
}

// Computed, its measured anchors then among the case's statistics.
DoubleTensor Measured(AttentionCase* attention_case) {
  const AttentionResult result = Compute(LibraryAttention(), *attention_case).value();
  attention_case->spec.features.statistics = result.report.statistics;
  return result.output;
}

DoubleTensor Exact(AttentionCase attention_case) {
  attention_case.spec = {};
  attention_case.spec.mode = AttentionMode::kExact;
  return Compute(LibraryAttention(), attention_case)->output;
}

TEST(AnchorAttention, IsItsFormulaForAnyShape) {
  Random random(1);
  for (int i = 0; i < 60; ++i) {
    AttentionSpec spec =
        Anchors(random.Integer(1, 20), i % 3 == 0 ? random.Integer(2, 40) : 0, i % 2 == 0 ? random.Integer(0, 12) : 0);
    const AttentionShape shape = RandomShape(random, spec);
    AttentionCase attention_case = Unmeasured(spec, shape, i, 0.5 * static_cast<double>(random.Integer(1, 4)));
    if (i % 4 == 1) {
      for (int64_t b = 0; b < shape.batch_size; ++b) {
        attention_case.query_lengths.push_back(random.Integer(0, shape.query_length));
        attention_case.key_lengths.push_back(random.Integer(0, shape.key_length));
      }
    }
    const DoubleTensor output = Measured(&attention_case);
    if (attention_case.spec.features.statistics == nullptr) continue;  // no queries
    // A fit to fewer rows than it has weights has many answers.
    if (spec.features.num_fit_rows > 0 && shape.query_length * shape.value_dim < 8) continue;
    EXPECT_LT(RelativeError(output, AnchorOracle(attention_case)), 2e-5) << attention_case.Describe();
  }
}

TEST(AnchorAttention, IsItsFormulaWhereAHeadIsFoldedInSegments) {
  for (const int64_t num_fit_rows : {0, 32}) {
    AttentionCase attention_case = Unmeasured(Anchors(5, num_fit_rows, 4), {1, 2, 1, 300, 4000, 16, 24}, 3);
    const DoubleTensor output = Measured(&attention_case);
    EXPECT_LT(RelativeError(output, AnchorOracle(attention_case)), 2e-5);
  }
}

TEST(AnchorAttention, IsExactAtTheAnchors) {
  AttentionCase attention_case = Unmeasured(Anchors(12), {2, 4, 2, 6, 150, 32, 16}, 5);
  // Twelve queries of a group, two sequences: at most as many anchors as there are different queries.
  for (int64_t h = 0; h < 4; ++h) {
    for (int64_t i = 0; i < 6; ++i) {
      const auto row = attention_case.queries.Row(0, h, i);
      std::copy(row.begin(), row.end(), attention_case.queries.Row(1, h, i).begin());
    }
  }
  EXPECT_LT(RelativeError(Measured(&attention_case), Exact(attention_case)), 1e-5);
}

TEST(AnchorAttention, GivesAConstantValueBack) {
  for (const int64_t num_fit_rows : {0, 16}) {
    AttentionCase attention_case = Unmeasured(Anchors(4, num_fit_rows, 3), {1, 3, 3, 90, 200, 20, 8}, 7, 2);
    for (double& value : attention_case.values.values) value = 3.25;
    const DoubleTensor output = Measured(&attention_case);
    for (const double value : output.values) EXPECT_NEAR(value, 3.25, 2e-5);
  }
}

TEST(AnchorAttention, HasTheSameBitsForAnyNumberOfThreads) {
  for (const AttentionShape& shape :
       {AttentionShape{3, 4, 2, 200, 170, 16, 8}, AttentionShape{1, 1, 1, 500, 5000, 16, 8}}) {
    AttentionCase attention_case = Unmeasured(Anchors(7, 32, 5), shape, 9);
    const AttentionResult one = Compute(LibraryAttention(), attention_case).value();
    for (const int threads : {2, 5}) {
      const AttentionResult many = Compute(LibraryAttentionOnPool(threads), attention_case).value();
      EXPECT_TRUE(SameBits(many.output, one.output));
      EXPECT_EQ(*many.report.statistics, *one.report.statistics);
    }
    attention_case.spec.features.statistics = one.report.statistics;
    const AttentionResult given = Compute(LibraryAttention(), attention_case).value();
    EXPECT_TRUE(SameBits(given.output, one.output)) << "statistics given back";
    EXPECT_EQ(given.report.statistics, nullptr);
  }
}

TEST(AnchorAttention, TheFitKeepsItAtLeastAsGoodAsTheMeanOfTheValues) {
  for (const double scale : {1.0, 3.0, 10.0}) {
    AttentionCase attention_case = Unmeasured(Anchors(4, 32, 8), {1, 1, 1, 600, 600, 32, 16}, 11, scale);
    const DoubleTensor exact = Exact(attention_case);
    DoubleTensor mean(exact.shape);
    for (int64_t i = 0; i < exact.shape.length; ++i) {
      for (int64_t j = 0; j < exact.shape.length; ++j) {
        for (int64_t n = 0; n < exact.shape.dim; ++n) {
          mean.Row(0, 0, i)[n] += attention_case.values.Row(0, 0, j)[n] / static_cast<double>(exact.shape.length);
        }
      }
    }
    EXPECT_LT(FrobeniusError(Measured(&attention_case), exact), 1.02 * FrobeniusError(mean, exact)) << scale;
  }
}

// Clusters that come in turns: rows at equal steps would see a few of them, and find anchors and weights for those
// alone.
TEST(AnchorAttention, DoesNotDependOnThePeriodOfItsInputs) {
  for (const int64_t period : {4, 16, 64}) {
    const AttentionShape shape{1, 1, 1, 4096, 512, 16, 8};
    AttentionCase in_turns = Unmeasured(Anchors(16, 32, 4), shape, 13);
    const DoubleTensor centres = Random(period).GaussianTensor({1, 1, 16, 16}, 3);
    for (int64_t i = 0; i < 4096; ++i) {
      const absl::Span<double> query = in_turns.queries.Row(0, 0, i);
      const absl::Span<const double> centre = centres.Row(0, 0, i % period % 16);
      for (int64_t l = 0; l < 16; ++l) query[l] = static_cast<float>(0.2 * query[l] + centre[l]);
    }
    AttentionCase shuffled = in_turns;
    const std::vector<int64_t> order = Random(7).Permutation(4096);
    shuffled.queries = ReorderLength(in_turns.queries, order);
    const double error = RelativeError(Measured(&in_turns), Exact(in_turns));
    EXPECT_LT(error, 1.5 * RelativeError(Measured(&shuffled), Exact(shuffled))) << period;
  }
}

// A few rows that agree by chance ask for weights far above 1.
TEST(AnchorAttention, AFitToAFewRowsDoesNotScaleAllOthersUp) {
  int64_t worse = 0;
  for (int seed = 0; seed < 40; ++seed) {
    AttentionCase attention_case = Unmeasured(Anchors(4, 2, 8), {1, 1, 1, 400, 400, 32, 4}, seed, 1.6);
    AttentionCase whole = attention_case;
    whole.spec.features.num_fit_rows = 400;
    const DoubleTensor exact = Exact(attention_case);
    const double error = FrobeniusError(Measured(&attention_case), exact);
    if (error > 1.5 * FrobeniusError(Measured(&whole), exact)) ++worse;
  }
  EXPECT_LE(worse, 2);
}

TEST(AnchorAttention, SecondOrderInAllDirectionsIsTheNextTerm) {
  // Weak attention: first order leaves the square, second order the cube of what is left of a score.
  AttentionCase first = Unmeasured(Anchors(2), {1, 1, 1, 200, 300, 8, 8}, 19, 0.5);
  AttentionCase second = first;
  second.spec = Anchors(2, 0, 8);
  const DoubleTensor exact = Exact(first);
  EXPECT_LT(FrobeniusError(Measured(&second), exact), 0.4 * FrobeniusError(Measured(&first), exact));
}

TEST(AnchorAttention, KeysThatAreLoudStayFinite) {
  AttentionCase attention_case = Unmeasured(Anchors(6), {1, 2, 2, 100, 400, 16, 8}, 13, 30);
  for (int64_t l = 0; l < 16; ++l) attention_case.keys.Row(0, 1, 333)[l] *= 1e6;
  const AttentionResult result = Compute(LibraryAttention(), attention_case).value();
  for (const double value : result.output.values) EXPECT_TRUE(std::isfinite(value));
  attention_case.spec.features.statistics = result.report.statistics;
  EXPECT_LT(RelativeError(SliceHeads(result.output, 0, 1), SliceHeads(AnchorOracle(attention_case), 0, 1)), 2e-3)
      << "exponents of some thousand, in float32";
}

TEST(AnchorAttention, CountsRowsWithoutAKeyAndNamesWhatIsNotFinite) {
  AttentionCase attention_case = Unmeasured(Anchors(3, 8), {2, 2, 2, 10, 30, 8, 8}, 15);
  attention_case.key_lengths = {0, 30};
  const AttentionResult result = Compute(LibraryAttention(), attention_case).value();
  EXPECT_EQ(result.report.degenerate_rows, 20);
  attention_case.keys.Row(1, 1, 29)[3] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(Compute(LibraryAttention(), attention_case).status().message(), HasSubstr("keys[1, 1, 29, 3] is nan"));
  attention_case.keys.Row(1, 1, 29)[3] = 0;
  attention_case.queries.Row(1, 0, 7)[2] = std::numeric_limits<double>::infinity();
  EXPECT_THAT(Compute(LibraryAttention(), attention_case).status().message(), HasSubstr("queries[1, 0, 7, 2] is inf"));
}

TEST(AnchorAttention, RefusesWhatItCannotDo) {
  const AttentionShape shape{1, 1, 1, 20, 20, 8, 8};
  const auto refusal = [&](auto change) {
    AttentionCase attention_case = Unmeasured(Anchors(3), shape, 17);
    change(&attention_case);
    return std::string(Compute(LibraryAttention(), attention_case).status().message());
  };
  EXPECT_THAT(refusal([](auto* c) { c->spec.causal = true; }), HasSubstr("causal is true"));
  EXPECT_THAT(refusal([](auto* c) { c->spec.features.num_anchors = 0; }), HasSubstr("num_anchors is 0"));
  EXPECT_THAT(refusal([](auto* c) { c->spec.features.num_anchors = 257; }), HasSubstr("num_anchors is 257"));
  EXPECT_THAT(refusal([](auto* c) { c->spec.features.num_directions = 33; }), HasSubstr("num_directions is 33"));
  EXPECT_THAT(refusal([](auto* c) { c->spec.features.num_fit_rows = 1025; }), HasSubstr("num_fit_rows is 1025"));
  EXPECT_THAT(refusal([](auto* c) { c->spec.features.antithetic = true; }), HasSubstr("antithetic is true"));
  EXPECT_THAT(refusal([](auto* c) { c->spec.features.kernel = Kernel::kGaussian; }),
              HasSubstr("kernel must be softmax"));
  EXPECT_THAT(refusal([](auto* c) { c->projection = TestProjection(4, 8, 1); }), HasSubstr("projection is set"));
  EXPECT_THAT(
      refusal([](auto* c) {
        auto statistics = std::make_shared<Statistics>();
        statistics->heads.push_back({std::vector<double>(8), std::vector<double>(64), {}, std::vector<double>(20)});
        c->spec.features.statistics = statistics;
      }),
      HasSubstr("statistics.heads[0].anchors has 20 entries, must have a multiple of 8 of them, up to 24"));
  EXPECT_THAT(
      refusal([](auto* c) {
        c->spec.features.num_directions = 2;
        auto statistics = std::make_shared<Statistics>();
        statistics->heads.push_back(
            {std::vector<double>(8), std::vector<double>(64), {}, std::vector<double>(8), std::vector<double>(16)});
        c->spec.features.statistics = statistics;
      }),
      HasSubstr("statistics.heads[0].query_transform is singular"));
  EXPECT_THAT(DescribeState(Anchors(3), {1, 1, 8, 8}, nullptr).status().message(), HasSubstr("estimator is anchors"));
}

// The certificate: rows far from their anchors are looked at more often.
TEST(AnchorAttention, ItsErrorCanBeMeasured) {
  int covered = 0;
  constexpr int kCalls = 40;
  for (int i = 0; i < kCalls; ++i) {
    AttentionCase attention_case = Unmeasured(Anchors(4, 16), {1, 4, 4, 700, 700, 32, 32}, 100 + i, 0.5 + 0.05 * i);
    ErrorEstimate estimate;
    const auto measured = [&](const AttentionSpec& spec, const AttentionInputs& inputs) {
      AttentionReport report;
      std::vector<float> output(inputs.queries.shape.num_elements());
      const MutableTensorView view = DenseView(output.data(), inputs.queries.shape);
      auto measurement = ErrorMeasurement::Create(spec, inputs, view, 32, 1).value();
      report.row_moments = measurement->row_moments();
      Job job = PlanAttention(spec, inputs, view, nullptr, &report).value();
      measurement->AddDraw(&job);
      EXPECT_TRUE(RunInline(job).ok());
      EXPECT_TRUE(RunInline(measurement->PlanExactRows(nullptr).value()).ok());
      estimate = measurement->estimate();
      return absl::StatusOr<AttentionResult>(AttentionResult());
    };
    ASSERT_TRUE(Compute(measured, attention_case).ok());
    const double truth = FrobeniusError(Measured(&attention_case), Exact(attention_case));
    covered += estimate.lower <= truth && truth <= estimate.upper;
  }
  EXPECT_GE(covered, kCalls * 0.85) << "of " << kCalls;
}

}  // namespace
}  // namespace favor::testing
