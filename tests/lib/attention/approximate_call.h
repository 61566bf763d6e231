#ifndef FAVOR_TESTS_LIB_ATTENTION_APPROXIMATE_CALL_H_
#define FAVOR_TESTS_LIB_ATTENTION_APPROXIMATE_CALL_H_

#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "favor/attention/attention.h"
#include "favor/projection/projection.h"
#include "gtest/gtest.h"
#include "tests/lib/attention/call_tensors.h"

namespace favor::testing {

// A call on N(0, 1) inputs and what became of it.
struct ApproximateCall : CallTensors {
  ApproximateCall(const Shape& shape, int64_t key_heads, double input_scale, uint32_t seed)
      : CallTensors(shape, key_heads) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    const auto fill = [&](const Shape& of, float scale, std::vector<float>* to) {
      to->resize(of.num_elements());
      for (float& value : *to) value = scale * normal(random);
    };
    fill(shape, static_cast<float>(input_scale), &queries);
    fill(key_shape, static_cast<float>(input_scale), &keys);
    fill(key_shape, 1, &values);
    output.assign(shape.num_elements(), 7);
    exact = output;
    projection = *DrawProjection({.seed = seed, .num_features = 4 * shape.dim, .head_dim = shape.dim});
  }

  AttentionInputs Inputs(bool with_projection = true) const {
    AttentionInputs inputs = CallTensors::Inputs();
    if (with_projection) inputs.projection = projection;
    return inputs;
  }

  // Fills the output.
  absl::Status Run(AttentionReport* report) { return Attend(spec, Inputs(), DenseView(output.data(), shape), report); }

  // |output - exact| / |exact|, every row computed.
  double TrueError() {
    AttentionSpec exact_spec;
    exact_spec.mode = AttentionMode::kExact;
    exact_spec.causal = spec.causal;
    EXPECT_TRUE(Attend(exact_spec, Inputs(false), DenseView(exact.data(), shape)).ok());
    return RelativeError(output, exact);
  }

  AttentionSpec spec;
  std::vector<float> output, exact;
  std::shared_ptr<const Projection> projection;
};

}  // namespace favor::testing

#endif  // FAVOR_TESTS_LIB_ATTENTION_APPROXIMATE_CALL_H_
