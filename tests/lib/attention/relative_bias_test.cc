// Exact attention with a bias of distances, against the formula in double.
#include "favor/attention/relative_bias.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "favor/attention/attention.h"
#include "favor/base/thread_pool.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/lib/attention/approximate_call.h"

namespace favor {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kHeads = 4, kKeyHeads = 2;

// Another one for every head, as steep as those of trained models and not symmetric.
float BiasOf(int64_t head, int64_t distance) {
  return static_cast<float>((head + 1) * std::sin(0.7 * static_cast<double>(distance)) -
                            0.05 * static_cast<double>(std::abs(distance)));
}

RelativeBias Bias(int64_t max_length, int64_t num_heads = kHeads) {
  return RelativeBias::Create(num_heads, max_length, BiasOf).value();
}

std::vector<double> Expected(const testing::ApproximateCall& call, bool causal, double scale) {
  const int64_t length = call.shape.length, dim = call.shape.dim;
  std::vector<double> output(call.output.size());
  for (int64_t head = 0; head < kHeads; ++head) {
    const int64_t key_head = head / (kHeads / kKeyHeads);
    for (int64_t i = 0; i < length; ++i) {
      double denominator = 0;
      double* row = &output[(head * length + i) * dim];
      for (int64_t j = 0; j < (causal ? i + 1 : length); ++j) {
        double score = 0;
        for (int64_t l = 0; l < dim; ++l) {
          score += static_cast<double>(call.queries[(head * length + i) * dim + l]) *
                   call.keys[(key_head * length + j) * dim + l];
        }
        const double weight = std::exp(scale * score + BiasOf(head, j - i));
        denominator += weight;
        for (int64_t n = 0; n < dim; ++n) row[n] += weight * call.values[(key_head * length + j) * dim + n];
      }
      for (int64_t n = 0; n < dim; ++n) row[n] /= denominator;
    }
  }
  return output;
}

TEST(RelativeBias, IsAddedToTheScoreOfEveryQueryAndKey) {
  for (const int64_t length : {1, 2, 15, 48, 49, 144, 145, 300, 433}) {
    for (const bool causal : {false, true}) {
      testing::ApproximateCall call({1, kHeads, length, 20}, kKeyHeads, 1.0, 3);
      const RelativeBias bias = Bias(length + (causal ? 0 : 70));
      call.spec.mode = AttentionMode::kExact;
      call.spec.causal = causal;
      call.spec.scale = 0.3;
      AttentionInputs inputs = call.Inputs(/*with_projection=*/false);
      inputs.relative_bias = &bias;
      ASSERT_EQ(Attend(call.spec, inputs, DenseView(call.output.data(), call.shape)), absl::OkStatus());
      const std::vector<double> expected = Expected(call, causal, 0.3);
      for (size_t i = 0; i < expected.size(); ++i) {
        ASSERT_NEAR(call.output[i], expected[i], 2e-6) << length << " tokens, element " << i;
      }
    }
  }
}

TEST(RelativeBias, StretchesFromTheEarlierKeysOn) {
  constexpr int64_t kLength = 200, kEarlier = 150;
  testing::ApproximateCall whole({1, kHeads, kLength, 16}, kKeyHeads, 1.0, 4);
  const RelativeBias bias = Bias(kLength);
  whole.spec.mode = AttentionMode::kExact;
  whole.spec.causal = true;
  AttentionInputs inputs = whole.Inputs(false);
  inputs.relative_bias = &bias;
  ASSERT_EQ(Attend(whole.spec, inputs, DenseView(whole.output.data(), whole.shape)), absl::OkStatus());
  // The last queries alone.
  const Shape tail{1, kHeads, kLength - kEarlier, 16};
  std::vector<float> queries, output(tail.num_elements());
  for (int64_t head = 0; head < kHeads; ++head) {
    const auto first = whole.queries.begin() + (head * kLength + kEarlier) * 16;
    queries.insert(queries.end(), first, first + tail.length * 16);
  }
  inputs.queries = DenseView(queries.data(), tail);
  inputs.num_earlier_keys = kEarlier;
  ASSERT_EQ(Attend(whole.spec, inputs, DenseView(output.data(), tail)), absl::OkStatus());
  for (int64_t head = 0; head < kHeads; ++head) {
    for (int64_t i = 0; i < tail.length * 16; ++i) {
      ASSERT_NEAR(output[head * tail.length * 16 + i], whole.output[(head * kLength + kEarlier) * 16 + i], 2e-6);
    }
  }
}

TEST(RelativeBias, OfDistancesThatWeighNothingLeavesTheOthers) {
  testing::ApproximateCall call({1, kHeads, 200, 16}, kKeyHeads, 1.0, 5);
  const RelativeBias own = RelativeBias::Create(kHeads, 200, [](int64_t, int64_t distance) {
                             return distance == 0 ? 50.0f : -5000.0f;
                           }).value();
  call.spec.mode = AttentionMode::kExact;
  AttentionInputs inputs = call.Inputs(false);
  inputs.relative_bias = &own;
  AttentionReport report;
  ASSERT_EQ(Attend(call.spec, inputs, DenseView(call.output.data(), call.shape), &report), absl::OkStatus());
  EXPECT_EQ(report.degenerate_rows, 0);
  for (int64_t head = 0; head < kHeads; ++head) {
    for (int64_t i = 0; i < 200 * 16; ++i) {
      ASSERT_NEAR(call.output[head * 200 * 16 + i], call.values[head / 2 * 200 * 16 + i], 1e-6);
    }
  }
}

TEST(RelativeBias, AnswersDoNotDependOnThreads) {
  testing::ApproximateCall call({1, kHeads, 700, 16}, kKeyHeads, 1.0, 6);
  const RelativeBias bias = Bias(700);
  call.spec.mode = AttentionMode::kExact;
  AttentionInputs inputs = call.Inputs(false);
  inputs.relative_bias = &bias;
  const MutableTensorView output = DenseView(call.output.data(), call.shape);
  ASSERT_EQ(Attend(call.spec, inputs, output), absl::OkStatus());
  const std::vector<float> alone = call.output;
  ThreadPool pool(3);
  ASSERT_EQ(pool.Run(PlanAttention(call.spec, inputs, output, nullptr, nullptr).value()), absl::OkStatus());
  EXPECT_EQ(call.output, alone);
}

TEST(RelativeBias, ThatDoesNotFitIsRefused) {
  testing::ApproximateCall call({1, kHeads, 9, 16}, kKeyHeads, 1.0, 7);
  AttentionInputs inputs = call.Inputs();
  const auto error = [&](const RelativeBias& bias) {
    inputs.relative_bias = &bias;
    return std::string(Attend(call.spec, inputs, DenseView(call.output.data(), call.shape)).message());
  };
  EXPECT_EQ(error(Bias(9)), "relative_bias is set, but only exact mode adds it to scores");
  inputs.projection = nullptr;
  call.spec.mode = AttentionMode::kExact;
  EXPECT_EQ(error(Bias(9)), "");
  EXPECT_EQ(error(Bias(9, kKeyHeads)), "relative_bias.num_heads is 2, queries.num_heads is 4");
  EXPECT_THAT(error(Bias(8)), HasSubstr("length is 9, must be from 0 to 8"));
}

}  // namespace
}  // namespace favor
