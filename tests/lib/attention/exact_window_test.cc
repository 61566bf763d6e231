// Exact attention within a window, against the formula in double.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "favor/attention/attention.h"
#include "favor/attention/relative_bias.h"
#include "favor/base/thread_pool.h"
#include "gtest/gtest.h"
#include "tests/lib/attention/approximate_call.h"

namespace favor {
namespace {

constexpr int64_t kHeads = 2, kDim = 20;
constexpr int64_t kNoWindow = std::numeric_limits<int64_t>::max();

float BiasOf(int64_t head, int64_t distance) {
  return static_cast<float>((head + 1) * std::sin(0.7 * static_cast<double>(distance)));
}

struct Expectation {
  int64_t query_length, key_length, window;
  bool causal = false;
  bool biased = false;
};

std::vector<double> Expected(const std::vector<float>& queries, const std::vector<float>& keys,
                             const std::vector<float>& values, const Expectation& call, double scale) {
  const auto& [query_length, key_length, window, causal, biased] = call;
  std::vector<double> output(kHeads * query_length * kDim);
  for (int64_t head = 0; head < kHeads; ++head) {
    for (int64_t i = 0; i < query_length; ++i) {
      double denominator = 0;
      double* row = &output[(head * query_length + i) * kDim];
      for (int64_t j = 0; j < key_length; ++j) {
        if (std::abs(j - i) > window || (causal && j > i)) continue;
        double score = 0;
        for (int64_t l = 0; l < kDim; ++l) {
          score += static_cast<double>(queries[(head * query_length + i) * kDim + l]) *
                   keys[(head * key_length + j) * kDim + l];
        }
        const double weight = std::exp(scale * score + (biased ? BiasOf(head, j - i) : 0.0f));
        denominator += weight;
        for (int64_t n = 0; n < kDim; ++n) row[n] += weight * values[(head * key_length + j) * kDim + n];
      }
      for (int64_t n = 0; n < kDim && denominator > 0; ++n) row[n] /= denominator;
    }
  }
  return output;
}

testing::ApproximateCall ExactCall(int64_t length, int64_t window, uint64_t seed) {
  testing::ApproximateCall call({1, kHeads, length, kDim}, kHeads, 1.0, seed);
  call.spec.mode = AttentionMode::kExact;
  call.spec.scale = 0.3;
  if (window != kNoWindow) call.spec.window = window;
  return call;
}

using Case = std::tuple<int64_t, bool, bool>;  // length, causal, biased

class ExactWindow : public ::testing::TestWithParam<Case> {};

TEST_P(ExactWindow, HidesWhatIsFartherAway) {
  const auto [length, causal, biased] = GetParam();
  const RelativeBias bias = RelativeBias::Create(kHeads, length, BiasOf).value();
  for (const int64_t window : {int64_t{0}, int64_t{1}, int64_t{5}, int64_t{16}, int64_t{47}, int64_t{64}, int64_t{150},
                               length - 1, length, int64_t{100000}, kNoWindow - 1, kNoWindow}) {
    testing::ApproximateCall call = ExactCall(length, window, 3);
    call.spec.causal = causal;
    AttentionInputs inputs = call.Inputs(/*with_projection=*/false);
    if (biased) inputs.relative_bias = &bias;
    AttentionReport report;
    ASSERT_EQ(Attend(call.spec, inputs, DenseView(call.output.data(), call.shape), &report), absl::OkStatus());
    EXPECT_EQ(report.degenerate_rows, 0);
    const std::vector<double> expected =
        Expected(call.queries, call.keys, call.values, {length, length, window, causal, biased}, 0.3);
    for (size_t i = 0; i < expected.size(); ++i) {
      ASSERT_NEAR(call.output[i], expected[i], 2e-6) << "window " << window << ", element " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Lengths, ExactWindow,
                         ::testing::Combine(::testing::Values(1, 2, 47, 48, 144, 145, 300, 700, 1300),
                                            ::testing::Bool(), ::testing::Bool()));

TEST(ExactWindow, OfQueriesThatAreMoreOrLessThanTheKeys) {
  for (const auto& [query_length, key_length] : {std::pair<int64_t, int64_t>{500, 120}, {120, 500}}) {
    testing::ApproximateCall call = ExactCall(500, 30, 4);
    AttentionInputs inputs = call.Inputs(false);
    const Shape query_shape{1, kHeads, query_length, kDim}, key_shape{1, kHeads, key_length, kDim};
    std::vector<float> output(query_shape.num_elements());
    inputs.queries = DenseView(call.queries.data(), query_shape);
    inputs.keys = DenseView(call.keys.data(), key_shape);
    inputs.values = DenseView(call.values.data(), key_shape);
    AttentionReport report;
    ASSERT_EQ(Attend(call.spec, inputs, DenseView(output.data(), query_shape), &report), absl::OkStatus());
    // Queries that see no key at all get zeros, and are counted.
    EXPECT_EQ(report.degenerate_rows, kHeads * std::max<int64_t>(0, query_length - key_length - 30));
    const std::vector<double> expected =
        Expected(call.queries, call.keys, call.values, {query_length, key_length, 30}, 0.3);
    for (size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(output[i], expected[i], 2e-6) << "element " << i;
  }
}

TEST(ExactWindow, StretchesIntoTheEarlierKeys) {
  constexpr int64_t kLength = 400, kEarlier = 350;
  testing::ApproximateCall whole = ExactCall(kLength, 70, 5);
  whole.spec.causal = true;
  AttentionInputs inputs = whole.Inputs(false);
  ASSERT_EQ(Attend(whole.spec, inputs, DenseView(whole.output.data(), whole.shape)), absl::OkStatus());
  const Shape tail{1, kHeads, kLength - kEarlier, kDim};
  std::vector<float> queries, output(tail.num_elements());
  for (int64_t head = 0; head < kHeads; ++head) {
    const auto first = whole.queries.begin() + (head * kLength + kEarlier) * kDim;
    queries.insert(queries.end(), first, first + tail.length * kDim);
  }
  inputs.queries = DenseView(queries.data(), tail);
  inputs.num_earlier_keys = kEarlier;
  ASSERT_EQ(Attend(whole.spec, inputs, DenseView(output.data(), tail)), absl::OkStatus());
  for (int64_t head = 0; head < kHeads; ++head) {
    for (int64_t i = 0; i < tail.length * kDim; ++i) {
      ASSERT_NEAR(output[head * tail.length * kDim + i], whole.output[(head * kLength + kEarlier) * kDim + i], 2e-6);
    }
  }
}

// Keys that are louder than all others do not reach past the window.
TEST(ExactWindow, AnswersDoNotDependOnWhatIsOutside) {
  testing::ApproximateCall call = ExactCall(900, 64, 6);
  const AttentionInputs inputs = call.Inputs(false);
  const MutableTensorView output = DenseView(call.output.data(), call.shape);
  ASSERT_EQ(Attend(call.spec, inputs, output), absl::OkStatus());
  const std::vector<float> quiet = call.output;
  for (int64_t l = 0; l < kDim; ++l) {
    call.keys[500 * kDim + l] = 1e6f;
    call.values[500 * kDim + l] = -1e6f;
  }
  ASSERT_EQ(Attend(call.spec, inputs, output), absl::OkStatus());
  int64_t changed = 0;
  for (int64_t i = 0; i < 900; ++i) {
    const bool same = std::equal(&quiet[i * kDim], &quiet[(i + 1) * kDim], &call.output[i * kDim]);
    if (std::abs(i - 500) > 64) {
      ASSERT_TRUE(same) << "query " << i;
    }
    changed += same ? 0 : 1;
  }
  EXPECT_GT(changed, 20);
}

TEST(ExactWindow, AnswersDoNotDependOnThreads) {
  testing::ApproximateCall call = ExactCall(1500, 64, 7);
  const MutableTensorView output = DenseView(call.output.data(), call.shape);
  ASSERT_EQ(Attend(call.spec, call.Inputs(false), output), absl::OkStatus());
  const std::vector<float> alone = call.output;
  const AttentionInputs inputs = call.Inputs(false);
  ThreadPool pool(3);
  ASSERT_EQ(pool.Run(PlanAttention(call.spec, inputs, output, nullptr, nullptr).value()), absl::OkStatus());
  EXPECT_EQ(call.output, alone);
}

TEST(ExactWindow, ThatCannotBeIsRefused) {
  testing::ApproximateCall call = ExactCall(9, 4, 8);
  const auto error = [&](bool with_projection) {
    return std::string(
        Attend(call.spec, call.Inputs(with_projection), DenseView(call.output.data(), call.shape)).message());
  };
  EXPECT_EQ(error(false), "");
  call.spec.window = -1;
  EXPECT_EQ(error(false), "window is -1, must be >= 0");
  call.spec.window = 4;
  call.spec.mode = AttentionMode::kFeatures;
  EXPECT_EQ(error(true), "window is set, but only exact mode has one");
}

}  // namespace
}  // namespace favor
