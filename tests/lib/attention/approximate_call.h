#ifndef FAVOR_TESTS_LIB_ATTENTION_APPROXIMATE_CALL_H_
#define FAVOR_TESTS_LIB_ATTENTION_APPROXIMATE_CALL_H_

#include <cmath>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "favor/attention/attention.h"
#include "favor/projection/projection.h"
#include "gtest/gtest.h"

namespace favor::testing {

// A call on N(0, 1) inputs and what became of it.
struct ApproximateCall {
  ApproximateCall(const Shape& shape, int64_t key_heads, double input_scale, uint32_t seed)
      : shape(shape), key_shape{shape.batch_size, key_heads, shape.length, shape.dim} {
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
    AttentionInputs inputs;
    inputs.queries = DenseView(queries.data(), shape);
    inputs.keys = DenseView(keys.data(), key_shape);
    inputs.values = DenseView(values.data(), key_shape);
    inputs.query_lengths = query_lengths;
    inputs.key_lengths = key_lengths;
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
    double error = 0, norm = 0;
    for (size_t i = 0; i < exact.size(); ++i) {
      error += std::pow(double{output[i]} - exact[i], 2);
      norm += std::pow(double{exact[i]}, 2);
    }
    return std::sqrt(error / norm);
  }

  Shape shape, key_shape;
  AttentionSpec spec;
  std::vector<int64_t> query_lengths, key_lengths;
  std::vector<float> queries, keys, values, output, exact;
  std::shared_ptr<const Projection> projection;
};

}  // namespace favor::testing

#endif  // FAVOR_TESTS_LIB_ATTENTION_APPROXIMATE_CALL_H_
