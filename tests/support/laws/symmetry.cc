#include "tests/support/laws/symmetry.h"

#include <algorithm>

namespace favor::testing {

Verdict PermutingKeysWithValuesChangesNothing(const AttentionImplementation& implementation,
                                              const AttentionCase& attention_case, double tolerance) {
  const std::vector<int64_t> order = Random(31).Permutation(attention_case.keys.shape.length);
  AttentionCase permuted = attention_case;
  permuted.keys = ReorderLength(attention_case.keys, order);
  permuted.values = ReorderLength(attention_case.values, order);
  return CompareCases(implementation, permuted, attention_case, tolerance);
}

Verdict PermutingQueriesPermutesOutputs(const AttentionImplementation& implementation,
                                        const AttentionCase& attention_case, double tolerance) {
  const std::vector<int64_t> order = Random(37).Permutation(attention_case.queries.shape.length);
  AttentionCase permuted = attention_case;
  permuted.queries = ReorderLength(attention_case.queries, order);
  const absl::StatusOr<AttentionResult> straight = Compute(implementation, attention_case);
  if (!straight.ok()) return Verdict::Broken(straight.status().ToString());
  const absl::StatusOr<AttentionResult> reordered = Compute(implementation, permuted);
  if (!reordered.ok()) return Verdict::Broken(reordered.status().ToString());
  return CompareRows(reordered->output, ReorderLength(straight->output, order), OracleOf(permuted).rounding, tolerance);
}

Verdict ConstantValueComesBack(const AttentionImplementation& implementation, const AttentionCase& attention_case,
                               double tolerance) {
  AttentionCase constant = attention_case;
  const std::vector<double> value = Random(41).GaussianVector(constant.values.shape.dim);
  for (int64_t b = 0; b < constant.values.shape.batch_size; ++b) {
    for (int64_t h = 0; h < constant.values.shape.num_heads; ++h) {
      for (int64_t j = 0; j < constant.values.shape.length; ++j) {
        std::copy(value.begin(), value.end(), constant.values.Row(b, h, j).begin());
      }
    }
  }
  const absl::StatusOr<AttentionResult> actual = Compute(implementation, constant);
  if (!actual.ok()) return Verdict::Broken(actual.status().ToString());
  DoubleTensor expected(actual->output.shape);
  for (size_t i = 0; i < expected.values.size(); ++i) expected.values[i] = value[i % value.size()];
  return CompareRows(actual->output, expected, {}, tolerance);
}

Verdict OutputIsLinearInTheValues(const AttentionImplementation& implementation, const AttentionCase& attention_case,
                                  double tolerance) {
  AttentionCase other = attention_case;
  other.values = Random(43).GaussianTensor(attention_case.values.shape);
  AttentionCase sum = attention_case;
  for (size_t i = 0; i < sum.values.values.size(); ++i) {
    sum.values.values[i] = 2 * attention_case.values.values[i] - 0.5 * other.values.values[i];
  }
  const absl::StatusOr<AttentionResult> first = Compute(implementation, attention_case);
  if (!first.ok()) return Verdict::Broken(first.status().ToString());
  const absl::StatusOr<AttentionResult> second = Compute(implementation, other);
  if (!second.ok()) return Verdict::Broken(second.status().ToString());
  const absl::StatusOr<AttentionResult> actual = Compute(implementation, sum);
  if (!actual.ok()) return Verdict::Broken(actual.status().ToString());
  DoubleTensor expected = first->output;
  for (size_t i = 0; i < expected.values.size(); ++i) {
    expected.values[i] = 2 * expected.values[i] - 0.5 * second->output.values[i];
  }
  return CompareRows(actual->output, expected, OracleOf(sum).rounding, tolerance);
}

}  // namespace favor::testing
