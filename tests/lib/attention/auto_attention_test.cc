#include "favor/attention/auto_attention.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "favor/base/thread_pool.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/lib/attention/call_tensors.h"
#include "tests/support/safetensors_file.h"

namespace favor {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Queries near some centres, as those of trained models are, and keys and values of N(0, 1).
struct Call : testing::CallTensors {
  Call(const Shape& shape, int64_t key_heads, double input_scale, uint32_t seed) : CallTensors(shape, key_heads) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    const auto fill = [&](const Shape& of, double scale, std::vector<float>* to) {
      to->resize(of.num_elements());
      for (float& value : *to) value = static_cast<float>(scale) * normal(random);
    };
    fill(shape, 0.3 * input_scale, &queries);
    fill(key_shape, input_scale, &keys);
    fill(key_shape, 1, &values);
    std::vector<float> centres;
    fill({1, 1, 6, shape.dim}, input_scale, &centres);
    for (int64_t row = 0; row < shape.num_elements() / shape.dim; ++row) {
      const int64_t centre = static_cast<int64_t>(random() % 6);
      for (int64_t l = 0; l < shape.dim; ++l) queries[row * shape.dim + l] += centres[centre * shape.dim + l];
    }
    output.assign(shape.num_elements(), 7);
    spec.max_relative_error = 0.1;
  }

  // On a pool, or on the calling thread.
  absl::StatusOr<AutoOutcome> Run(ThreadPool* pool = nullptr) {
    auto attention = AutoAttention::Create(spec, Inputs(), DenseView(output.data(), shape), CostModel(), 1, nullptr);
    if (!attention.ok()) return attention.status();
    while (true) {
      absl::StatusOr<std::optional<Job>> job = (*attention)->NextJob();
      if (!job.ok()) return job.status();
      if (!job->has_value()) break;
      const absl::Status status = pool == nullptr ? RunInline(**job) : pool->Run(**std::move(job));
      if (!status.ok()) return status;
    }
    report = (*attention)->report();
    return (*attention)->outcome();
  }

  std::vector<float> Exact() const {
    AttentionSpec exact;
    exact.mode = AttentionMode::kExact;
    exact.causal = spec.causal;
    exact.scale = spec.scale;
    std::vector<float> result(output.size());
    EXPECT_TRUE(Attend(exact, Inputs(), DenseView(result.data(), shape)).ok());
    return result;
  }

  double TrueError() const { return testing::RelativeError(output, Exact()); }

  AutoSpec spec;
  std::vector<float> output;
  AttentionReport report;
};

bool IsExact(const AutoOutcome& outcome) { return outcome.spec.mode == AttentionMode::kExact; }

TEST(AutoAttention, ShortCallsAreExactBitForBit) {
  Call call({1, 2, 100, 16}, 2, 1, 1);
  const auto outcome = call.Run();
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_TRUE(IsExact(*outcome));
  EXPECT_THAT(outcome->reason, HasSubstr("short"));
  EXPECT_FALSE(outcome->measured.has_value());
  EXPECT_EQ(call.output, call.Exact());
}

TEST(AutoAttention, ShortCallsTakeTheMemoryOfExactAttentionAlone) {
  Call call({1, 2, 100, 16}, 2, 1, 1);
  auto attention = AutoAttention::Create(call.spec, call.Inputs(), DenseView(call.output.data(), call.shape),
                                         CostModel(), 2, nullptr);
  ASSERT_TRUE(attention.ok()) << attention.status();
  AttentionSpec exact;
  exact.mode = AttentionMode::kExact;
  EXPECT_EQ((*attention)->Bytes(), AttentionScratchBytes(exact, call.Inputs(), 2));
}

TEST(AutoAttention, CausalCallsAreExactAndSaySo) {
  Call call({1, 1, 2000, 16}, 1, 0.1, 1);
  call.spec.causal = true;
  const auto outcome = call.Run();
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_TRUE(IsExact(*outcome));
  EXPECT_TRUE(outcome->spec.causal);
  EXPECT_THAT(outcome->reason, HasSubstr("causal"));
  EXPECT_EQ(call.output, call.Exact());
}

TEST(AutoAttention, TakesAnApproximationThatKeepsTheBound) {
  for (const double bound : {0.3, 0.1, 0.03}) {
    Call call({1, 4, 3000, 32}, 2, 0.7, 3);
    call.spec.max_relative_error = bound;
    const auto outcome = call.Run();
    ASSERT_TRUE(outcome.ok()) << outcome.status();
    EXPECT_FALSE(IsExact(*outcome)) << outcome->reason;
    EXPECT_LE(call.TrueError(), bound);
    EXPECT_FALSE(outcome->missed);
    ASSERT_TRUE(outcome->predicted.has_value() && outcome->measured.has_value());
    EXPECT_NEAR(outcome->measured->relative_error, call.TrueError(), 0.3 * call.TrueError());
    EXPECT_NEAR(std::log(outcome->predicted->relative_error / outcome->measured->relative_error), 0, 1);
    EXPECT_THAT(outcome->reason, HasSubstr("measured error"));
  }
}

// N(0, 1) queries and keys this loud are beyond any number of anchors.
TEST(AutoAttention, IsExactWhereNothingElseKeepsTheBound) {
  Call call({1, 2, 2500, 32}, 2, 2.5, 5);
  call.spec.max_relative_error = 0.03;
  const auto outcome = call.Run();
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_TRUE(IsExact(*outcome));
  EXPECT_THAT(outcome->reason, HasSubstr("exact attention"));
  EXPECT_FALSE(outcome->measured.has_value());
  EXPECT_EQ(call.output, call.Exact());
}

TEST(AutoAttention, SameBitsForAnyNumberOfThreads) {
  ThreadPool three(3);
  for (const double input_scale : {0.7, 1.5}) {
    Call call({2, 2, 1500, 32}, 1, input_scale, 7);
    call.query_lengths = call.key_lengths = {1500, 1100};
    const auto alone = call.Run();
    ASSERT_TRUE(alone.ok()) << alone.status();
    const std::vector<float> output = call.output;
    const auto together = call.Run(&three);
    ASSERT_TRUE(together.ok()) << together.status();
    EXPECT_EQ(std::memcmp(output.data(), call.output.data(), output.size() * sizeof(float)), 0);
    EXPECT_EQ(alone->reason, together->reason);
  }
}

TEST(AutoAttention, FailsWithTheBestReachableErrorWhereTheBudgetIsTooShort) {
  Call call({1, 2, 4000, 32}, 2, 2.5, 5);
  call.spec.max_relative_error = 0.01;
  call.spec.budget_seconds = 0.3 * internal::CallCosts(CostModel(), call.Inputs(), false).exact();
  const absl::Status status = call.Run().status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("max_relative_error is 0.01"));
  EXPECT_THAT(status.message(), HasSubstr("is the least expected"));
}

TEST(AutoAttention, AnswersAsWellAsItCanWhereThatIsAskedFor) {
  Call call({1, 2, 4000, 32}, 2, 2.5, 5);
  call.spec.max_relative_error = 0.01;
  call.spec.budget_seconds = 0.3 * internal::CallCosts(CostModel(), call.Inputs(), false).exact();
  call.spec.answer_when_missed = true;
  const auto outcome = call.Run();
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_TRUE(outcome->missed);
  EXPECT_FALSE(IsExact(*outcome));
  EXPECT_GT(outcome->measured->relative_error, 0.01);
  EXPECT_NEAR(outcome->measured->relative_error, call.TrueError(), 0.5 * call.TrueError());
  EXPECT_THAT(outcome->reason, HasSubstr("time_budget"));
}

TEST(AutoAttention, ABudgetThatSufficesChangesNothing) {
  Call call({1, 4, 3000, 32}, 2, 0.7, 3);
  const auto without = call.Run();
  call.spec.budget_seconds = 100;
  const auto with = call.Run();
  EXPECT_EQ(without->reason, with->reason);
}

TEST(AutoAttention, ComputesAsManyRowsAsAreAskedFor) {
  Call call({1, 4, 3000, 32}, 2, 0.7, 3);
  call.spec.min_measured_rows = 700;
  const auto outcome = call.Run();
  ASSERT_TRUE(outcome.ok() && outcome->measured.has_value());
  EXPECT_EQ(outcome->measured->num_rows, 700);
}

TEST(AutoAttention, NamesWhatIsNotFiniteInAnyStage) {
  for (const double input_scale : {0.7, 2.5}) {
    Call call({1, 1, 3000, 32}, 1, input_scale, 3);
    call.values[1234] = std::numeric_limits<float>::infinity();
    const absl::Status status = call.Run().status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_THAT(status.message(), HasSubstr("values[0, 0, 38, 18] is inf"));
  }
}

TEST(AutoAttention, RefusesBoundsThatAreNone) {
  Call call({1, 1, 10, 8}, 1, 1, 1);
  for (const double bound : {0.0, -1.0, 9e-6, std::nan(""), std::numeric_limits<double>::infinity()}) {
    call.spec.max_relative_error = bound;
    EXPECT_TRUE(absl::IsInvalidArgument(call.Run().status())) << bound;
  }
  call.spec.max_relative_error = 0.1;
  call.spec.budget_seconds = 0;
  EXPECT_THAT(call.Run().status().message(), HasSubstr("time_budget is 0"));
}

// Rounding of the output alone may take that much.
TEST(AutoAttention, RefusesBoundsBelowTheResolutionOfTheOutput) {
  const std::pair<DataType, double> least[] = {
      {DataType::kFloat32, 1e-5}, {DataType::kFloat16, 0x1p-11}, {DataType::kBFloat16, 0x1p-8}};
  for (const auto& [type, bound] : least) {
    AutoSpec spec;
    spec.max_relative_error = bound;
    EXPECT_TRUE(CheckAutoSpec(spec, type).ok());
    spec.max_relative_error = 0.99 * bound;
    EXPECT_TRUE(absl::IsInvalidArgument(CheckAutoSpec(spec, type)));
  }
}

// Weights times values overflow, though no answer would.
TEST(AutoAttention, DoesNotTakeExactAttentionForExactWhereRowsOverflow) {
  Call call({1, 1, 100, 8}, 1, 1, 1);
  for (float& value : call.values) value = std::copysign(3e38f, value);
  const absl::Status failed = call.Run().status();
  EXPECT_TRUE(absl::IsFailedPrecondition(failed)) << failed;
  EXPECT_THAT(failed.message(), HasSubstr("rows overflow"));
  call.spec.answer_when_missed = true;
  const auto warned = call.Run();
  ASSERT_TRUE(warned.ok()) << warned.status();
  EXPECT_TRUE(warned->missed);
  EXPECT_THAT(warned->reason, HasSubstr("rows overflow"));
}

// Long enough for approximations, of which nothing can be measured then.
TEST(AutoAttention, FindsNoApproximationGoodWhereExactRowsOverflow) {
  Call call({1, 2, 4000, 16}, 2, 0.1, 1);
  for (float& value : call.values) value *= 3e37f;
  call.spec.max_relative_error = 0.5;
  const absl::Status failed = call.Run().status();
  EXPECT_TRUE(absl::IsFailedPrecondition(failed)) << failed;
  EXPECT_THAT(failed.message(), HasSubstr("rows overflow"));
}

TEST(AutoAttention, RowsWithoutKeysDoNotMissTheBound) {
  Call call({2, 1, 100, 8}, 1, 1, 1);
  call.key_lengths = {0, 100};
  const auto outcome = call.Run();
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_FALSE(outcome->missed);
  EXPECT_EQ(call.report.degenerate_rows, 100);
}

// Time for one anchor and for no look at the inputs.
TEST(AutoAttention, AnswersUnseenWhereThatIsAskedForAndTheBudgetAllowsNoMore) {
  Call call({1, 1, 1500, 8}, 1, 2.5, 5);
  call.spec.max_relative_error = 0.01;
  call.spec.answer_when_missed = true;
  call.spec.budget_seconds = 1e-9;
  absl::StatusOr<AutoOutcome> outcome = call.Run();
  EXPECT_TRUE(absl::IsFailedPrecondition(outcome.status())) << outcome.status();
  EXPECT_THAT(outcome.status().message(), HasSubstr("within time_budget, 1e-09 s, nothing is expected to be done"));
  for (; !outcome.ok(); outcome = call.Run()) call.spec.budget_seconds *= 1.05;
  EXPECT_TRUE(outcome->missed);
  EXPECT_FALSE(IsExact(*outcome));
  EXPECT_FALSE(outcome->predicted.has_value());
  EXPECT_GT(outcome->measured->relative_error, 0.01);
}

TEST(AutoAttention, CausalCallsFailWhereExactAttentionIsBeyondTheBudget) {
  Call call({1, 1, 2000, 16}, 1, 0.1, 1);
  call.spec.causal = true;
  call.spec.answer_when_missed = true;
  call.spec.budget_seconds = 0.3 * internal::CallCosts(CostModel(), call.Inputs(), true).exact();
  const absl::Status status = call.Run().status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("nothing is expected to be done; exact attention"));
}

TEST(AutoAttention, EmptyCallsAreAnswered) {
  Call no_queries({1, 1, 0, 8}, 1, 1, 1);
  EXPECT_TRUE(no_queries.Run().ok());
  Call no_keys({2, 1, 40, 8}, 1, 1, 1);
  no_keys.key_lengths = {0, 0};
  const auto outcome = no_keys.Run();
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(no_keys.report.degenerate_rows, 80);
}

// Queries, keys and values of a trained model, which repeat themselves so that the call is long enough for anchors.
TEST(AutoAttention, KeepsTheBoundOnATrainedModel) {
  for (const std::string layer : {"0", "11"}) {
    const auto file =
        testing::ReadSafetensors(FAVOR_TEST_DATA_DIR "/qkv_rxnmapper_layer" + layer + ".safetensors").value();
    for (const double bound : {0.3, 0.1, 0.03}) {
      Call call({1, 8, 2848, 32}, 8, 1, 11);
      call.spec.max_relative_error = bound;
      call.spec.scale = 0.25 / std::sqrt(32.0);
      std::mt19937 random(13);
      std::normal_distribution<float> noise(0, 0.1f);
      const auto repeat = [&](const std::string& name, std::vector<float>* to) {
        const std::vector<double>& from = file.tensors.at(name).values;
        for (int64_t i = 0; i < static_cast<int64_t>(to->size()); ++i) {
          const int64_t head = i / (2848 * 32), rest = i % (356 * 32);
          (*to)[i] = static_cast<float>(from[head * 356 * 32 + rest]) + noise(random);
        }
      };
      repeat("queries", &call.queries);
      repeat("keys", &call.keys);
      repeat("values", &call.values);
      const auto outcome = call.Run();
      ASSERT_TRUE(outcome.ok()) << outcome.status();
      EXPECT_LE(call.TrueError(), bound) << layer << " " << outcome->reason;
    }
  }
}

}  // namespace
}  // namespace favor
