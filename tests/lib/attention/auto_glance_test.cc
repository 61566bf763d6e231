#include "favor/attention/auto_glance.h"

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/lib/attention/call_tensors.h"

namespace favor::internal {
namespace {

using ::testing::HasSubstr;

struct Call : favor::testing::CallTensors {
  Call(const Shape& shape, int64_t key_heads, double input_scale, uint32_t seed)
      : CallTensors(shape, key_heads), random(seed) {
    Fill(shape.num_elements(), input_scale, &queries);
    Fill(key_shape.num_elements(), input_scale, &keys);
    Fill(key_shape.num_elements(), 1, &values);
  }

  void Fill(int64_t count, double scale, std::vector<float>* to) {
    std::normal_distribution<float> normal;
    to->resize(count);
    for (float& value : *to) value = static_cast<float>(scale) * normal(random);
  }

  absl::StatusOr<ErrorEstimate> Look(AutoGlance::Options options) const {
    options.scale = 1 / std::sqrt(static_cast<double>(shape.dim));
    AutoGlance glance(options, Inputs(), nullptr);
    if (absl::Status status = RunInline(glance.Plan()); !status.ok()) return status;
    return glance.estimate();
  }

  std::vector<float> Run(const AttentionSpec& spec) const {
    std::vector<float> output(shape.num_elements());
    EXPECT_TRUE(Attend(spec, Inputs(), DenseView(output.data(), shape)).ok());
    return output;
  }

  // What such a call with one anchor is wrong by.
  double Truth() const {
    AttentionSpec exact, one_anchor;
    exact.mode = AttentionMode::kExact;
    one_anchor.features.estimator = Estimator::kAnchors;
    one_anchor.features.num_anchors = 1;
    const std::vector<float> right = Run(exact), answer = Run(one_anchor);
    return favor::testing::RelativeError(answer, right);
  }

  std::mt19937 random;
};

TEST(AutoGlance, IsRightWhereItLooksAtEverything) {
  const Call call({2, 3, 64, 16}, 3, 0.7, 1);
  const auto estimate = call.Look({.num_heads = 6, .num_rows = 64, .num_keys = 64});
  ASSERT_TRUE(estimate.ok()) << estimate.status();
  EXPECT_NEAR(estimate->relative_error, call.Truth(),
              0.05 * call.Truth());  // the anchor is the mean of 64 of 128 queries
  EXPECT_EQ(estimate->num_rows, 6 * 64);
  EXPECT_GT(estimate->mean_of_values_error, estimate->relative_error);
  EXPECT_GT(estimate->upper, estimate->relative_error);
}

TEST(AutoGlance, IsNearTheTruthWithASampleOfRowsAndKeys) {
  for (const double input_scale : {0.2, 0.5, 0.9}) {
    const Call call({1, 4, 3001, 32}, 4, input_scale, 3);
    const auto estimate = call.Look({.num_heads = 4, .num_rows = 16, .num_keys = 256});
    ASSERT_TRUE(estimate.ok()) << estimate.status();
    EXPECT_NEAR(std::log(estimate->relative_error / call.Truth()), 0, 0.3) << input_scale;
  }
}

// The heads of a group are answered about one anchor, which lies between theirs.
TEST(AutoGlance, HeadsThatShareKeysShareTheAnchor) {
  Call call({1, 2, 64, 16}, 1, 0.3, 5);
  for (size_t i = 0; i < call.queries.size(); ++i) call.queries[i] += i < call.queries.size() / 2 ? 0.7f : -0.7f;
  const auto estimate = call.Look({.num_heads = 2, .num_rows = 64, .num_keys = 64});
  ASSERT_TRUE(estimate.ok()) << estimate.status();
  EXPECT_NEAR(estimate->relative_error, call.Truth(), 0.1 * call.Truth());
}

TEST(AutoGlance, KnowsClusteredQueries) {
  Call call({1, 2, 500, 16}, 2, 0.5, 9);
  const auto clustering = [&] {
    AutoGlance glance({.scale = 0.25}, call.Inputs(), nullptr);
    EXPECT_TRUE(RunInline(glance.Plan()).ok());
    return glance.clustering();
  };
  EXPECT_EQ(clustering(), 1);
  const std::vector<float> own = call.queries;
  for (const float spread : {0.3f, 0.0f}) {  // about five of them
    for (size_t i = 0; i < own.size(); ++i) call.queries[i] = own[i / 16 % 5 * 16 + i % 16] + spread * own[i];
    EXPECT_LT(clustering(), 3 * spread * spread + 1e-6);
    EXPECT_GE(clustering(), spread * spread);
  }
}

TEST(AutoGlance, NeverReadsPastTheLengths) {
  Call call({3, 2, 300, 16}, 2, 1, 7);
  call.query_lengths = call.key_lengths = {300, 0, 130};
  const AutoGlance::Options options{.num_heads = 4, .num_rows = 16, .num_keys = 128};
  const double before = call.Look(options)->relative_error;
  EXPECT_GT(before, 0);
  for (std::vector<float>* tensor : {&call.queries, &call.keys, &call.values}) {
    for (int64_t head = 2; head < 6; ++head) {
      const int64_t begin = head < 4 ? 0 : 130 * 16;
      for (int64_t i = begin; i < 300 * 16; ++i) {
        (*tensor)[head * 300 * 16 + i] = std::numeric_limits<float>::quiet_NaN();
      }
    }
  }
  EXPECT_EQ(call.Look(options)->relative_error, before);
}

TEST(AutoGlance, NamesWhatIsNotFinite) {
  Call call({1, 2, 300, 16}, 2, 1, 7);
  call.values[299 * 16 + 3] = std::numeric_limits<float>::infinity();  // the last row of the first head
  const absl::Status status = call.Look({.num_heads = 2, .num_rows = 8, .num_keys = 300}).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(status.message(), HasSubstr("values[0, 0, 299, 3] is inf"));
}

TEST(AutoGlance, OfNothingThereIsNothingToSay) {
  Call call({1, 2, 300, 16}, 2, 1, 7);
  call.query_lengths = call.key_lengths = {0};
  const auto estimate = call.Look({});
  ASSERT_TRUE(estimate.ok()) << estimate.status();
  EXPECT_EQ(estimate->relative_error, 0);
}

}  // namespace
}  // namespace favor::internal
