#ifndef FAVOR_TESTS_LIB_ATTENTION_CALL_TENSORS_H_
#define FAVOR_TESTS_LIB_ATTENTION_CALL_TENSORS_H_

#include <cmath>
#include <cstdint>
#include <vector>

#include "favor/attention/attention.h"

namespace favor::testing {

// The tensors of a call in float32, whose keys and values may have fewer heads; to be filled.
struct CallTensors {
  CallTensors(const Shape& shape, int64_t key_heads)
      : shape(shape), key_shape{shape.batch_size, key_heads, shape.length, shape.dim} {}

  AttentionInputs Inputs() const {
    AttentionInputs inputs;
    inputs.queries = DenseView(queries.data(), shape);
    inputs.keys = DenseView(keys.data(), key_shape);
    inputs.values = DenseView(values.data(), key_shape);
    inputs.query_lengths = query_lengths;
    inputs.key_lengths = key_lengths;
    return inputs;
  }

  Shape shape, key_shape;
  std::vector<int64_t> query_lengths, key_lengths;
  std::vector<float> queries, keys, values;
};

// |answer - exact| / |exact|.
inline double RelativeError(const std::vector<float>& answer, const std::vector<float>& exact) {
  double error = 0, norm = 0;
  for (size_t i = 0; i < exact.size(); ++i) {
    error += std::pow(double{answer[i]} - exact[i], 2);
    norm += std::pow(double{exact[i]}, 2);
  }
  return std::sqrt(error / norm);
}

}  // namespace favor::testing

#endif  // FAVOR_TESTS_LIB_ATTENTION_CALL_TENSORS_H_
