// Calls that are computed together answer what each answers alone, to the bit: they share memory and nothing else.
#include <cstdint>
#include <vector>

#include "favor/attention/attention.h"
#include "favor/base/thread_pool.h"
#include "gtest/gtest.h"
#include "tests/lib/attention/approximate_call.h"

namespace favor {
namespace {

constexpr int64_t kHeads = 3, kDim = 16;

using Calls = std::vector<testing::ApproximateCall>;

// Of these lengths, each with inputs and a projection of its own.
Calls CallsOf(const std::vector<int64_t>& lengths) {
  Calls calls;
  for (size_t i = 0; i < lengths.size(); ++i) {
    calls.emplace_back(Shape{1, kHeads, lengths[i], kDim}, kHeads, 0.3 + 0.2 * static_cast<double>(i),
                       static_cast<uint32_t>(i + 1));
  }
  return calls;
}

std::vector<AttentionOperands> OperandsOf(const AttentionSpec& spec, Calls* calls) {
  const bool projected = spec.mode == AttentionMode::kFeatures && !UsesAnchors(spec.features);
  std::vector<AttentionOperands> operands;
  for (testing::ApproximateCall& call : *calls) {
    operands.push_back({call.Inputs(projected), DenseView(call.output.data(), call.shape)});
  }
  return operands;
}

void ExpectTheSameTogether(const AttentionSpec& spec, const std::vector<int64_t>& lengths) {
  Calls alone = CallsOf(lengths);
  for (const AttentionOperands& call : OperandsOf(spec, &alone)) {
    ASSERT_EQ(Attend(spec, call.inputs, call.output), absl::OkStatus());
  }
  for (const int threads : {0, 1, 2, 5}) {
    Calls together = CallsOf(lengths);
    ThreadPool pool(threads);
    ASSERT_EQ(pool.Run(PlanAttention(spec, OperandsOf(spec, &together), nullptr, nullptr).value()), absl::OkStatus());
    for (size_t i = 0; i < lengths.size(); ++i) {
      ASSERT_EQ(together[i].output, alone[i].output) << lengths[i] << " tokens, call " << i << ", threads " << threads;
    }
  }
}

// Keys are folded 48, 96 or 144 at a time, as many as there are; longer calls in parts.
const std::vector<int64_t> kLengths[] = {
    {20, 60, 150, 7}, {150, 60, 20, 7}, {48, 49, 96, 97, 144, 145}, {5, 3000, 5}, {0, 40, 0, 130}};

class SeveralCalls : public ::testing::TestWithParam<std::vector<int64_t>> {};

TEST_P(SeveralCalls, OfPlainFeatures) {
  for (const bool causal : {false, true}) {
    AttentionSpec spec;
    spec.causal = causal;
    ExpectTheSameTogether(spec, GetParam());
    spec.features.kernel = Kernel::kGaussian;
    ExpectTheSameTogether(spec, GetParam());
    spec.features.kernel = Kernel::kGeneralized;
    ExpectTheSameTogether(spec, GetParam());
  }
}

// Every call measures statistics of its own.
TEST_P(SeveralCalls, OfFittedFeatures) {
  for (const Estimator estimator : {Estimator::kPositive, Estimator::kOprf, Estimator::kSderf, Estimator::kSaderf}) {
    AttentionSpec spec;
    spec.features.estimator = estimator;
    spec.features.precondition = true;
    ExpectTheSameTogether(spec, GetParam());
  }
}

TEST_P(SeveralCalls, OfAnchors) {
  AttentionSpec spec;
  spec.features.estimator = Estimator::kAnchors;
  spec.features.num_anchors = 4;
  spec.features.num_fit_rows = 8;
  ExpectTheSameTogether(spec, GetParam());
}

TEST_P(SeveralCalls, OfExactAttention) {
  AttentionSpec spec;
  spec.mode = AttentionMode::kExact;
  for (const bool causal : {false, true}) {
    spec.causal = causal;
    ExpectTheSameTogether(spec, GetParam());
  }
}

INSTANTIATE_TEST_SUITE_P(Lengths, SeveralCalls, ::testing::ValuesIn(kLengths));

}  // namespace
}  // namespace favor
