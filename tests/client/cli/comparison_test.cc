#include "client/cli/comparison.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <vector>

namespace favor::cli {
namespace {

using client::AttendOptions;
using client::Tensor;

Tensor MakeTensor(const std::vector<float>& values, std::vector<int64_t> shape) {
  auto data = std::make_unique<std::byte[]>(values.size() * sizeof(float));
  std::memcpy(data.get(), values.data(), values.size() * sizeof(float));
  return {DataType::kFloat32, std::move(shape), std::move(data), values.size() * sizeof(float)};
}

// Sums of a few floats in double: the only rounding is the division and the square root.
constexpr double kTolerance = 1e-12;

TEST(RelativeError, IsTheRatioOfFrobeniusNorms) {
  const std::vector<float> exact = {3, 4}, answer = {3, 4.5};
  EXPECT_NEAR(RelativeError(answer, exact), 0.5 / 5, kTolerance);
  EXPECT_EQ(RelativeError(exact, exact), 0);
}

TEST(RelativeError, OfZerosIsZeroOrInfinite) {
  const std::vector<float> zero = {0, 0}, one = {1, 0};
  EXPECT_EQ(RelativeError(zero, zero), 0);
  EXPECT_TRUE(std::isinf(RelativeError(one, zero)));
}

TEST(MeanOfValues, IsExactWhereTheExactAnswerIsTheMean) {
  const std::vector<float> values = {1, 2, 3, 6, 8, 10};  // [1, 1, 3, 2]: mean {4, 6}
  const auto view = client::Float32View(values, {1, 1, 3, 2});
  EXPECT_NEAR(MeanOfValuesError(view, {}, MakeTensor({4, 6, 4, 6}, {1, 1, 2, 2})), 0, kTolerance);
  // Off by 1 in one of four entries.
  EXPECT_NEAR(MeanOfValuesError(view, {}, MakeTensor({4, 6, 4, 7}, {1, 1, 2, 2})), 1 / std::sqrt(16. + 36 + 16 + 49),
              kTolerance);
}

TEST(MeanOfValues, OfACausalRowSeesItsPrefixOnly) {
  const std::vector<float> values = {2, 4, 9};
  AttendOptions options;
  options.spec.causal = true;
  const auto view = client::Float32View(values, {1, 1, 3, 1});
  EXPECT_NEAR(MeanOfValuesError(view, options, MakeTensor({2, 3, 5}, {1, 1, 3, 1})), 0, kTolerance);
}

TEST(MeanOfValues, NeverReadsPadding) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> values = {2, 4, nan, 7, nan, nan};  // [2, 1, 3, 1]
  AttendOptions options;
  options.key_lengths = {2, 1};
  options.query_lengths = {2, 0};
  const auto view = client::Float32View(values, {2, 1, 3, 1});
  EXPECT_NEAR(MeanOfValuesError(view, options, MakeTensor({3, 3, 0, 0}, {2, 1, 2, 1})), 0, kTolerance);
  options.spec.causal = true;
  options.query_lengths = {};
  EXPECT_NEAR(MeanOfValuesError(view, options, MakeTensor({2, 3, 3, 7, 7, 7}, {2, 1, 3, 1})), 0, kTolerance);
}

TEST(MeanOfValues, OfARowThatSeesNothingIsZero) {
  AttendOptions options;
  options.key_lengths = {0};
  const std::vector<float> values = {5, 5};
  const auto view = client::Float32View(values, {1, 1, 2, 1});
  EXPECT_EQ(MeanOfValuesError(view, options, MakeTensor({0, 0}, {1, 1, 2, 1})), 0);
}

TEST(MeanOfValues, GroupedHeadsShareTheirKeyHead) {
  const std::vector<float> values = {1, 3, 10, 30};  // [1, 2, 2, 1]: means 2 and 20
  const auto view = client::Float32View(values, {1, 2, 2, 1});
  EXPECT_NEAR(MeanOfValuesError(view, {}, MakeTensor({2, 2, 20, 20}, {1, 4, 1, 1})), 0, kTolerance);
}

TEST(MeanOfValues, FollowsTheLayout) {
  AttendOptions options;
  options.spec.layout = client::Layout::kBatchLengthHeadsDim;
  const std::vector<float> values = {1, 10, 3, 30};  // [1, 2 positions, 2 heads, 1]
  const auto view = client::Float32View(values, {1, 2, 2, 1});
  EXPECT_NEAR(MeanOfValuesError(view, options, MakeTensor({2, 20}, {1, 1, 2, 1})), 0, kTolerance);
}

TEST(MeanOfValues, ReadsHalfFloats) {
  const uint16_t values[] = {0x3c00, 0x4200};  // 1 and 3
  const client::TensorView view = {
      .type = DataType::kFloat16,
      .shape = {1, 1, 2, 1},
      .bytes = absl::MakeConstSpan(reinterpret_cast<const std::byte*>(values), sizeof(values))};
  EXPECT_NEAR(MeanOfValuesError(view, {}, MakeTensor({2}, {1, 1, 1, 1})), 0, kTolerance);
}

TEST(Compare, RefusesOutputsOfDifferentShape) {
  const std::vector<float> values = {1};
  const auto view = client::Float32View(values, {1, 1, 1, 1});
  EXPECT_FALSE(Compare(view, {}, MakeTensor({1}, {1, 1, 1, 1}), MakeTensor({1, 2}, {1, 1, 2, 1})).ok());
}

TEST(ExactOptions, KeepWhatDefinesTheProblem) {
  AttendOptions options;
  options.spec.causal = true;
  options.spec.scale = 0.5;
  options.key_lengths = {3};
  options.output_type = DataType::kBFloat16;
  options.measure_error_rows = 5;
  const AttendOptions exact = ExactOptions(options);
  EXPECT_TRUE(std::holds_alternative<client::ExactSpec>(exact.spec.mode));
  EXPECT_TRUE(exact.spec.causal);
  EXPECT_EQ(exact.spec.scale, 0.5);
  EXPECT_EQ(exact.key_lengths, options.key_lengths);
  EXPECT_EQ(exact.output_type, DataType::kFloat32);
  EXPECT_EQ(exact.measure_error_rows, 0u);
}

}  // namespace
}  // namespace favor::cli
