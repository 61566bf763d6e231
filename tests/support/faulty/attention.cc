#include "tests/support/faulty/attention.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "tests/support/oracle/attention.h"
#include "tests/support/oracle/performer_reference.h"

namespace favor::testing {
namespace {

// Writes `part` over the rows of `whole` from (batch, head, position) on.
void Paste(const DoubleTensor& part, int64_t batch, int64_t head, int64_t position, DoubleTensor& whole) {
  for (int64_t b = 0; b < part.shape.batch_size; ++b) {
    for (int64_t h = 0; h < part.shape.num_heads; ++h) {
      for (int64_t i = 0; i < part.shape.length; ++i) {
        std::ranges::copy(part.Row(b, h, i), whole.Row(batch + b, head + h, position + i).begin());
      }
    }
  }
}

}  // namespace

AttentionImplementation AttentionThatSeesOneKeyAhead() {
  return [](const AttentionSpec& spec, const AttentionInputs& inputs) -> absl::StatusOr<AttentionResult> {
    const AttentionCase whole = CaseFromInputs(spec, inputs);
    AttentionResult result;
    result.output = DoubleTensor(whole.shape().output());
    for (int64_t i = 0; i < whole.queries.shape.length; ++i) {
      const int64_t num_seen = std::min(i + 2, whole.keys.shape.length);
      AttentionCase row = whole;
      row.spec.causal = false;
      row.queries = SliceLength(whole.queries, i, 1);
      row.keys = SliceLength(whole.keys, 0, num_seen);
      row.values = SliceLength(whole.values, 0, num_seen);
      Paste(Compute(OracleAttention(), row)->output, 0, 0, i, result.output);
    }
    return result;
  };
}

AttentionImplementation AttentionThatMasksOnlyValues() {
  return [](const AttentionSpec& spec, const AttentionInputs& inputs) -> absl::StatusOr<AttentionResult> {
    AttentionCase tampered = CaseFromInputs(spec, inputs);
    for (int64_t b = 0; b < tampered.values.shape.batch_size && !tampered.key_lengths.empty(); ++b) {
      for (int64_t h = 0; h < tampered.values.shape.num_heads; ++h) {
        for (int64_t j = tampered.key_lengths[b]; j < tampered.values.shape.length; ++j) {
          std::ranges::fill(tampered.values.Row(b, h, j), 0.0);
        }
      }
    }
    tampered.key_lengths.clear();
    return Compute(OracleAttention(), tampered);
  };
}

AttentionImplementation AttentionOfTheReference() {
  return [](const AttentionSpec& spec, const AttentionInputs& inputs) -> absl::StatusOr<AttentionResult> {
    PerformerReference reference;
    reference.causal = spec.causal;
    reference.num_features = inputs.projection->num_features();
    const absl::Span<const float> rows = inputs.projection->Matrix(0);
    reference.projection_matrix.assign(rows.begin(), rows.end());
    AttentionResult result;
    result.output = reference.Forward(Decode(inputs.queries), Decode(inputs.keys), Decode(inputs.values));
    return result;
  };
}

AttentionImplementation AttentionThatInterleavesGroupedHeads() {
  return [](const AttentionSpec& spec, const AttentionInputs& inputs) -> absl::StatusOr<AttentionResult> {
    const AttentionCase whole = CaseFromInputs(spec, inputs);
    AttentionResult result;
    result.output = DoubleTensor(whole.shape().output());
    for (int64_t h = 0; h < whole.queries.shape.num_heads; ++h) {
      const int64_t key_head = h % whole.keys.shape.num_heads;
      AttentionCase head = whole;
      head.queries = SliceHeads(whole.queries, h, 1);
      head.keys = SliceHeads(whole.keys, key_head, 1);
      head.values = SliceHeads(whole.values, key_head, 1);
      Paste(Compute(OracleAttention(), head)->output, 0, h, 0, result.output);
    }
    return result;
  };
}

AttentionImplementation AttentionThatWeighsKeysByPosition() {
  return [](const AttentionSpec& spec, const AttentionInputs& inputs) -> absl::StatusOr<AttentionResult> {
    AttentionCase tampered = CaseFromInputs(spec, inputs);
    for (int64_t b = 0; b < tampered.keys.shape.batch_size; ++b) {
      for (int64_t h = 0; h < tampered.keys.shape.num_heads; ++h) {
        for (int64_t j = 0; j < tampered.keys.shape.length; ++j) {
          for (double& value : tampered.keys.Row(b, h, j)) value *= 1 + 0.001 * static_cast<double>(j);
        }
      }
    }
    return Compute(OracleAttention(), tampered);
  };
}

AttentionImplementation AttentionWithABiasedDenominator() {
  return [](const AttentionSpec& spec, const AttentionInputs& inputs) -> absl::StatusOr<AttentionResult> {
    absl::StatusOr<AttentionResult> result = Compute(OracleAttention(), CaseFromInputs(spec, inputs));
    if (!result.ok()) return result.status();
    const double count = static_cast<double>(inputs.keys.shape.length);
    for (double& value : result->output.values) value *= count / (count + 0.01);
    return result;
  };
}

}  // namespace favor::testing
