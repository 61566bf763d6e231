#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "tests/support/faulty/attention.h"

namespace favor::testing {
namespace {

constexpr int64_t kBlockLength = 64;

// One row, in float32.
struct Row {
  std::vector<float> logs;  // w_r.x - |x|^2/2
  std::vector<float> value;
};

Row MakeRow(absl::Span<const double> input, absl::Span<const double> value, const Projection& projection,
            float factor) {
  Row row;
  row.value.assign(value.begin(), value.end());
  float half_norm = 0;
  for (const double x : input) half_norm += factor * factor * static_cast<float>(x * x) / 2;
  for (int64_t r = 0; r < projection.num_features(); ++r) {
    float dot = 0;
    for (size_t c = 0; c < input.size(); ++c) {
      dot += projection.Matrix(0)[r * input.size() + c] * factor * static_cast<float>(input[c]);
    }
    row.logs.push_back(dot - half_norm);
  }
  return row;
}

// Sums over the keys so far: Z_r and S_r, each times exp(-M_r).
struct State {
  std::vector<float> maximum;
  std::vector<float> z;
  std::vector<std::vector<float>> s;

  explicit State(int64_t num_features, int64_t value_dim)
      : maximum(num_features, -std::numeric_limits<float>::infinity()),
        z(num_features),
        s(num_features, std::vector<float>(value_dim)) {}

  // The fault: called once a block, with keys that earlier rows of the block do not see.
  void RaiseMaximum(absl::Span<const Row> block) {
    for (size_t r = 0; r < z.size(); ++r) {
      float raised = maximum[r];
      for (const Row& key : block) raised = std::max(raised, key.logs[r]);
      const float shift = std::exp(maximum[r] - raised);
      z[r] *= shift;
      for (float& sum : s[r]) sum *= shift;
      maximum[r] = raised;
    }
  }

  void Add(const Row& key) {
    for (size_t r = 0; r < z.size(); ++r) {
      const float feature = std::exp(key.logs[r] - maximum[r]);
      z[r] += feature;
      for (size_t c = 0; c < key.value.size(); ++c) s[r][c] += feature * key.value[c];
    }
  }

  void Read(const Row& query, absl::Span<double> output) const {
    float largest = -std::numeric_limits<float>::infinity();
    for (size_t r = 0; r < z.size(); ++r) largest = std::max(largest, query.logs[r] + maximum[r]);
    float denominator = 0;
    std::vector<float> numerator(output.size());
    for (size_t r = 0; r < z.size(); ++r) {
      const float feature = std::exp(query.logs[r] + maximum[r] - largest);
      denominator += feature * z[r];
      for (size_t c = 0; c < numerator.size(); ++c) numerator[c] += feature * s[r][c];
    }
    for (size_t c = 0; c < numerator.size(); ++c) output[c] = denominator > 0 ? numerator[c] / denominator : 0;
  }
};

}  // namespace

AttentionImplementation AttentionWithOneMaximumPerBlock() {
  return [](const AttentionSpec& spec, const AttentionInputs& inputs) -> absl::StatusOr<AttentionResult> {
    const DoubleTensor queries = Decode(inputs.queries);
    const DoubleTensor keys = Decode(inputs.keys);
    const DoubleTensor values = Decode(inputs.values);
    const Projection& projection = *inputs.projection;
    const auto factor =
        static_cast<float>(std::sqrt(spec.scale.value_or(1 / std::sqrt(static_cast<double>(queries.shape.dim)))));
    AttentionResult result;
    result.output =
        DoubleTensor({queries.shape.batch_size, queries.shape.num_heads, queries.shape.length, values.shape.dim});
    for (int64_t b = 0; b < queries.shape.batch_size; ++b) {
      for (int64_t h = 0; h < queries.shape.num_heads; ++h) {
        State state(projection.num_features(), values.shape.dim);
        for (int64_t begin = 0; begin < queries.shape.length; begin += kBlockLength) {
          const int64_t end = std::min(begin + kBlockLength, queries.shape.length);
          std::vector<Row> block;
          for (int64_t j = begin; j < end; ++j) {
            block.push_back(MakeRow(keys.Row(b, h, j), values.Row(b, h, j), projection, factor));
          }
          state.RaiseMaximum(block);
          for (int64_t i = begin; i < end; ++i) {
            state.Add(block[i - begin]);
            state.Read(MakeRow(queries.Row(b, h, i), {}, projection, factor), result.output.Row(b, h, i));
          }
        }
      }
    }
    return result;
  };
}

}  // namespace favor::testing
