#ifndef FAVOR_TESTS_LIB_ATTENTION_SMALL_STATE_H_
#define FAVOR_TESTS_LIB_ATTENTION_SMALL_STATE_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "favor/attention/attention_state.h"
#include "favor/attention/attention_stream.h"
#include "favor/base/job.h"
#include "gtest/gtest.h"
#include "tests/support/random.h"

namespace favor::testing {

// A state of two sequences and two heads, and inputs for it.
struct SmallState {
  static constexpr int64_t kSequences = 2, kHeads = 2, kHeadDim = 3, kValueDim = 2, kRows = 4;

  static std::shared_ptr<const Projection> Draw(uint64_t seed = 1) {
    ProjectionSpec spec;
    spec.seed = seed;
    spec.num_features = kRows;
    spec.head_dim = kHeadDim;
    return *DrawProjection(spec);
  }

  static AttentionSpec Spec(Kernel kernel = Kernel::kSoftmax, bool causal = false) {
    AttentionSpec spec;
    spec.causal = causal;
    spec.features.kernel = kernel;
    return spec;
  }

  static StateDescription Describe(const AttentionSpec& spec) {
    return *DescribeState(spec, {kSequences, kHeads, kHeadDim, kValueDim}, ProjectionOf(spec));
  }

  static std::shared_ptr<const Projection> ProjectionOf(const AttentionSpec& spec) {
    return ProjectionUseOf(spec.features) == ProjectionUse::kNone ? nullptr : Draw();
  }

  static AttentionState Empty(const AttentionSpec& spec) {
    return *AttentionState::Create(Describe(spec), ProjectionOf(spec));
  }

  // Queries, keys and values of `length` random tokens, one query head for each key head.
  struct Tokens {
    explicit Tokens(int64_t length, uint64_t seed = 1) : length(length) {
      Random random(seed);
      const auto floats = [&](int64_t dim) {
        const std::vector<double> values = random.GaussianVector(kSequences * kHeads * length * dim);
        return std::vector<float>(values.begin(), values.end());
      };
      queries = floats(kHeadDim);
      keys = floats(kHeadDim);
      values = floats(kValueDim);
      output.resize(values.size());
    }
    AttentionInputs Inputs() const {
      AttentionInputs inputs;
      inputs.queries = DenseView(queries.data(), {kSequences, kHeads, length, kHeadDim});
      inputs.keys = DenseView(keys.data(), {kSequences, kHeads, length, kHeadDim});
      inputs.values = DenseView(values.data(), {kSequences, kHeads, length, kValueDim});
      return inputs;
    }
    MutableTensorView Output() { return DenseView(output.data(), {kSequences, kHeads, length, kValueDim}); }

    int64_t length;
    std::vector<float> queries, keys, values, output;
  };

  static AttentionState Folded(const AttentionSpec& spec, uint64_t seed = 1) {
    AttentionState state = Empty(spec);
    EXPECT_TRUE(RunInline(*PlanFold(Tokens(9, seed).Inputs(), nullptr, &state)).ok());
    return state;
  }
};

}  // namespace favor::testing

#endif  // FAVOR_TESTS_LIB_ATTENTION_SMALL_STATE_H_
