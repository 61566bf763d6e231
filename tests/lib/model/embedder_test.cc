#include "favor/model/embedder.h"

#include <cmath>
#include <numeric>

#include "favor/base/thread_pool.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/fake_model.h"

namespace favor {
namespace {

using testing::FakeCoordinate;

constexpr int64_t kDimensions = 8;

std::shared_ptr<Model> ModelOfWindow(int64_t max_tokens) {
  testing::FakeEncoderOptions options;
  options.max_tokens = max_tokens;
  return testing::FakeModel(options);
}

std::vector<int32_t> Ids(int64_t n, int32_t first = 100) {
  std::vector<int32_t> ids(n);
  std::iota(ids.begin(), ids.end(), first);
  return ids;
}

std::vector<float> Embed(const std::shared_ptr<Model>& model, const EmbedInput& input, const PoolOptions& options) {
  std::vector<float> output(EmbedRows(input, options.pooling) * EmbedDimensions(*model, options), NAN);
  const absl::StatusOr<Job> job = PlanEmbed(model, {{&input, options, output.data()}}, nullptr, nullptr);
  EXPECT_TRUE(job.ok()) << job.status();
  EXPECT_TRUE(RunInline(*job).ok());
  return output;
}

// Each coordinate a function of the coordinates of the tokens.
template <typename Function>
std::vector<float> ByHand(const std::vector<int32_t>& ids, Function function, int64_t dimensions = kDimensions) {
  std::vector<float> expected;
  for (int64_t d = 0; d < dimensions; ++d) {
    std::vector<double> values;
    for (size_t t = 0; t < ids.size(); ++t) values.push_back(FakeCoordinate(ids[t], static_cast<int64_t>(t), d));
    expected.push_back(static_cast<float>(function(values)));
  }
  return expected;
}

double Mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}
double Max(const std::vector<double>& values) { return *std::max_element(values.begin(), values.end()); }
double First(const std::vector<double>& values) { return values.front(); }
double Last(const std::vector<double>& values) { return values.back(); }

double WeightedMean(const std::vector<double>& values) {
  double sum = 0, weights = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    sum += static_cast<double>(i + 1) * values[i];
    weights += static_cast<double>(i + 1);
  }
  return sum / weights;
}
double MeanSqrtLen(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / std::sqrt(static_cast<double>(values.size()));
}

double Length(const float* vector, int64_t dimensions) {
  double squares = 0;
  for (int64_t d = 0; d < dimensions; ++d) squares += static_cast<double>(vector[d]) * vector[d];
  return std::sqrt(squares);
}

TEST(PlanEmbed, PoolsAsByHand) {
  const auto model = ModelOfWindow(0);
  const std::vector<int32_t> ids = Ids(5);
  const EmbedInput input = *PrepareIds(*model, ids, {});
  EXPECT_EQ(Embed(model, input, {Pooling::kMean}), ByHand(ids, Mean));
  EXPECT_EQ(Embed(model, input, {Pooling::kMax}), ByHand(ids, Max));
  EXPECT_EQ(Embed(model, input, {Pooling::kCls}), ByHand(ids, First));
  EXPECT_EQ(Embed(model, input, {Pooling::kLast}), ByHand(ids, Last));
  EXPECT_EQ(Embed(model, input, {Pooling::kWeightedMean}), ByHand(ids, WeightedMean));
  EXPECT_EQ(Embed(model, input, {Pooling::kMeanSqrtLen}), ByHand(ids, MeanSqrtLen));
}

Poolings Joined(std::initializer_list<Pooling> list) {
  Poolings poolings;
  for (const Pooling pooling : list) poolings.Append(pooling);
  return poolings;
}

TEST(PlanEmbed, JoinsPoolingsInTheirOrder) {
  const auto model = ModelOfWindow(6);
  const PoolOptions options{Joined({Pooling::kWeightedMean, Pooling::kCls, Pooling::kMax, Pooling::kMeanSqrtLen})};
  for (const int64_t num_tokens : {5, 11}) {  // of one window, of three
    const EmbedInput input = *PrepareIds(*model, Ids(num_tokens), {OverLength::kWindows, 2});
    std::vector<float> expected;
    for (const Pooling pooling : options.pooling) {
      const std::vector<float> one = Embed(model, input, {pooling});
      expected.insert(expected.end(), one.begin(), one.end());
    }
    EXPECT_EQ(Embed(model, input, options), expected);
  }
}

TEST(PlanEmbed, KeepsTheFirstDimensionsOfJoinedPoolings) {
  const auto model = ModelOfWindow(6);
  const Poolings poolings = Joined({Pooling::kMax, Pooling::kMean, Pooling::kCls});
  for (const int64_t num_tokens : {5, 11}) {
    const EmbedInput input = *PrepareIds(*model, Ids(num_tokens), {OverLength::kWindows, 2});
    const std::vector<float> all = Embed(model, input, {poolings});
    ASSERT_EQ(all.size(), 3u * kDimensions);
    for (const int64_t dimensions : {1, 7, 8, 9, 16, 20, 24}) {
      EXPECT_EQ(Embed(model, input, {poolings, false, dimensions}),
                std::vector<float>(all.begin(), all.begin() + dimensions));
      const std::vector<float> unit = Embed(model, input, {poolings, true, dimensions});
      EXPECT_NEAR(Length(unit.data(), dimensions), 1, 1e-6);
    }
  }
  const EmbedInput input = *PrepareIds(*model, Ids(3), {});
  const PoolOptions options{poolings, false, 25};
  EXPECT_EQ(PlanEmbed(model, {{&input, options, nullptr}}, nullptr, nullptr).status(),
            absl::InvalidArgumentError("dimensions is 25, must be 0 to 24, the model's"));
}

TEST(PlanEmbed, WithoutPoolingGivesEveryTokensVector) {
  const auto model = ModelOfWindow(0);
  const EmbedInput input = *PrepareText(*model, "", "a b c", {});
  const std::vector<float> output = Embed(model, input, {Pooling::kNone});
  ASSERT_EQ(output.size(), 5u * kDimensions);
  for (int64_t t = 0; t < 5; ++t) {
    for (int64_t d = 0; d < kDimensions; ++d) {
      EXPECT_EQ(output[t * kDimensions + d], FakeCoordinate(input.windows[0][t], t, d));
    }
  }
}

TEST(PlanEmbed, KeepsTheFirstDimensionsAndNormalisesWhatIsKept) {
  const auto model = ModelOfWindow(0);
  const EmbedInput input = *PrepareIds(*model, Ids(4), {});
  EXPECT_EQ(Embed(model, input, {Pooling::kMean, false, 3}), ByHand(Ids(4), Mean, 3));
  const std::vector<float> normalised = Embed(model, input, {Pooling::kMean, true, 3});
  EXPECT_NEAR(Length(normalised.data(), 3), 1, 1e-6);
  const std::vector<float> plain = ByHand(Ids(4), Mean, 3);
  EXPECT_NEAR(normalised[1] / normalised[0], plain[1] / plain[0], 1e-5);
}

TEST(PlanEmbed, NormalisesEveryVectorToLengthOne) {
  const auto model = ModelOfWindow(6);
  for (const Pooling pooling : {Pooling::kMean, Pooling::kCls, Pooling::kLast, Pooling::kMax, Pooling::kNone,
                                Pooling::kWeightedMean, Pooling::kMeanSqrtLen}) {
    for (const int64_t num_tokens : {4, 23}) {
      const EmbedInput input = *PrepareIds(*model, Ids(num_tokens), {OverLength::kWindows, 2});
      const std::vector<float> output = Embed(model, input, {pooling, true, 0});
      for (int64_t row = 0; row < EmbedRows(input, pooling); ++row) {
        EXPECT_NEAR(Length(&output[row * kDimensions], kDimensions), 1, 1e-6);
      }
    }
  }
}

TEST(PlanEmbed, OfWindowsIsTheirMeanWeighedByTheirTokens) {
  const auto model = ModelOfWindow(6);
  const std::vector<int32_t> ids = Ids(11);
  const EmbedInput input = *PrepareIds(*model, ids, {OverLength::kWindows, 2});
  ASSERT_EQ(input.windows.size(), 3u);
  for (const auto& [pooling, function] : {std::pair{Pooling::kMean, &Mean},
                                          {Pooling::kMax, &Max},
                                          {Pooling::kCls, &First},
                                          {Pooling::kLast, &Last},
                                          {Pooling::kWeightedMean, &WeightedMean},
                                          {Pooling::kMeanSqrtLen, &MeanSqrtLen}}) {
    const std::vector<float> output = Embed(model, input, {pooling});
    for (int64_t d = 0; d < kDimensions; ++d) {
      double expected = 0;
      for (const std::vector<int32_t>& window : input.windows) {
        expected += static_cast<double>(window.size()) * ByHand(window, function)[d];
      }
      EXPECT_NEAR(output[d], expected / 15, 1e-6);
    }
  }
}

TEST(PlanEmbed, WithoutPoolingTakesATokenFromTheWindowInWhichItIsFarthestFromAnEdge) {
  const auto model = ModelOfWindow(6);
  const EmbedInput input = *PrepareIds(*model, Ids(11), {OverLength::kWindows, 2});
  const std::vector<float> output = Embed(model, input, {Pooling::kNone});
  ASSERT_EQ(output.size(), 11u * kDimensions);
  // Windows begin at 0, 4 and 8; of the tokens that two share, 4 and 8 go to the first of the two.
  const int64_t begins[] = {0, 0, 0, 0, 0, 4, 4, 4, 4, 8, 8};
  for (int64_t t = 0; t < 11; ++t) {
    EXPECT_EQ(output[t * kDimensions], FakeCoordinate(100 + static_cast<int32_t>(t), t - begins[t], 0)) << t;
  }
}

TEST(PlanEmbed, OfATruncatedInputEqualsTheTruncatedIds) {
  const auto model = ModelOfWindow(6);
  const EmbedInput truncated = *PrepareIds(*model, Ids(9), {OverLength::kTruncateLeft, {}});
  const EmbedInput short_input = *PrepareIds(*model, Ids(6, 103), {});
  EXPECT_EQ(Embed(model, truncated, {}), Embed(model, short_input, {}));
}

TEST(PlanEmbed, GivesAnItemTheSameBitsInAnyBatchAndOnAnyNumberOfThreads) {
  const auto model = ModelOfWindow(50);
  std::vector<EmbedInput> inputs;
  for (const int64_t n : {1, 50, 3, 120, 7}) inputs.push_back(*PrepareIds(*model, Ids(n), {OverLength::kWindows, {}}));
  for (const Pooling pooling : {Pooling::kMean, Pooling::kNone}) {
    const PoolOptions options{pooling, true, 5};
    std::vector<std::vector<float>> outputs;
    std::vector<EmbedItem> items;
    for (const EmbedInput& input : inputs) {
      outputs.emplace_back(EmbedRows(input, pooling) * 5);
      items.push_back({&input, options, outputs.back().data()});
    }
    ThreadPool pool(3);
    ASSERT_TRUE(pool.Run(*PlanEmbed(model, items, nullptr, nullptr)).ok());
    for (size_t i = 0; i < inputs.size(); ++i) EXPECT_EQ(outputs[i], Embed(model, inputs[i], options));
  }
}

TEST(PlanEmbed, PoolsInputsOfManySteps) {
  testing::FakeEncoderOptions options;
  options.dimensions = 3;
  options.vocabulary_size = 1 << 20;
  const auto model = testing::FakeModel(options);
  const std::vector<int32_t> ids = Ids(200'000, 0);  // 87,381 a step
  const EmbedInput input = *PrepareIds(*model, ids, {});
  EXPECT_EQ(Embed(model, input, {Pooling::kMean}), ByHand(ids, Mean, 3));
  EXPECT_EQ(Embed(model, input, {Pooling::kMax}), ByHand(ids, Max, 3));
  EXPECT_EQ(Embed(model, input, {Pooling::kLast}), ByHand(ids, Last, 3));
  EXPECT_EQ(Embed(model, input, {Pooling::kWeightedMean}), ByHand(ids, WeightedMean, 3));
}

TEST(PlanEmbed, LeavesAZeroVectorAlone) {
  EmbedInput input;
  input.windows = {{1}, {2}};
  input.window_begins = {0, 1};
  const std::vector<float> zeros(4, 0.0f);
  std::vector<float> output(2, NAN);
  CombineWindows(input, {Pooling::kMean, true, 0}, 2, zeros.data(), output.data());
  EXPECT_EQ(output, std::vector<float>({0, 0}));
}

TEST(PlanEmbed, RefusesMoreDimensionsThanThereAre) {
  const auto model = ModelOfWindow(0);
  const EmbedInput input = *PrepareIds(*model, {1}, {});
  float output[16];
  const PoolOptions options{Pooling::kMean, false, 9};
  const absl::Status status = PlanEmbed(model, {{&input, options, output}}, nullptr, nullptr).status();
  EXPECT_EQ(status, absl::InvalidArgumentError("dimensions is 9, must be 0 to 8, the model's"));
}

TEST(PlanEmbed, OfNothingIsNothing) {
  const absl::StatusOr<Job> job = PlanEmbed(ModelOfWindow(0), {}, nullptr, nullptr);
  ASSERT_TRUE(job.ok());
  EXPECT_TRUE(RunInline(*job).ok());
}

TEST(PlanEmbed, KeepsItsModelAlive) {
  auto model = ModelOfWindow(0);
  const EmbedInput input = *PrepareIds(*model, Ids(3), {});
  std::vector<float> output(kDimensions);
  const absl::StatusOr<Job> job = PlanEmbed(std::move(model), {{&input, {}, output.data()}}, nullptr, nullptr);
  ASSERT_TRUE(RunInline(*job).ok());
  EXPECT_EQ(output, ByHand(Ids(3), Mean));
}

TEST(EmbedScratchBytes, GrowsWithTokensAndNeverShrinksByJoiningBatches) {
  const auto model = ModelOfWindow(0);
  const int64_t one = EmbedScratchBytes(*model, {100}, nullptr, 2);
  const int64_t other = EmbedScratchBytes(*model, {300}, nullptr, 2);
  const int64_t both = EmbedScratchBytes(*model, {100, 300}, nullptr, 2);
  EXPECT_GE(one, 100 * (kDimensions * 4 + 4 + 100));
  EXPECT_GT(both, other);
  EXPECT_LE(both, one + other);
}

}  // namespace
}  // namespace favor
