#include "tests/support/laws/causality.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tests/support/errors.h"

namespace favor::testing {
namespace {

// Replaces every row from `position` on by a Gaussian one.
void ReplaceLaterRows(DoubleTensor& tensor, int64_t position, double scale, Random& random) {
  for (int64_t b = 0; b < tensor.shape.batch_size; ++b) {
    for (int64_t h = 0; h < tensor.shape.num_heads; ++h) {
      for (int64_t i = position; i < tensor.shape.length; ++i) {
        const std::vector<double> row = random.GaussianVector(tensor.shape.dim, scale);
        std::copy(row.begin(), row.end(), tensor.Row(b, h, i).begin());
      }
    }
  }
}

}  // namespace

Verdict LaterRowsNeverChangeEarlierOutputs(const AttentionImplementation& implementation,
                                           const AttentionCase& attention_case, int64_t position) {
  const absl::StatusOr<AttentionResult> before = Compute(implementation, attention_case);
  if (!before.ok()) return Verdict::Broken(before.status().ToString());
  Random random(23);
  for (const double scale : {0.0, 1.0, 30.0}) {
    AttentionCase changed = attention_case;
    ReplaceLaterRows(changed.queries, position, scale, random);
    ReplaceLaterRows(changed.keys, position, scale, random);
    ReplaceLaterRows(changed.values, position, 1 + scale, random);
    const absl::StatusOr<AttentionResult> after = Compute(implementation, changed);
    if (!after.ok()) return Verdict::Broken(after.status().ToString());
    const DoubleTensor earlier_before = SliceLength(before->output, 0, position);
    const DoubleTensor earlier_after = SliceLength(after->output, 0, position);
    if (!SameBits(earlier_before, earlier_after)) {
      return Verdict::Broken(absl::StrCat("rows before position ", position, " of ", attention_case.keys.shape.length,
                                          " changed by ", RelativeError(earlier_after, earlier_before),
                                          " when later rows became N(0, ", scale, "^2)"));
    }
  }
  return {};
}

Verdict CausalOutputsAreBidirectionalOnThePrefix(const AttentionImplementation& implementation,
                                                 const AttentionCase& attention_case, int64_t step, double tolerance) {
  const absl::StatusOr<AttentionResult> causal = Compute(implementation, attention_case);
  if (!causal.ok()) return Verdict::Broken(causal.status().ToString());
  for (int64_t length = step; length <= attention_case.keys.shape.length; length += step) {
    AttentionCase prefix = attention_case;
    prefix.spec.causal = false;
    prefix.queries = SliceLength(attention_case.queries, length - 1, 1);
    prefix.keys = SliceLength(attention_case.keys, 0, length);
    prefix.values = SliceLength(attention_case.values, 0, length);
    const absl::StatusOr<AttentionResult> bidirectional = Compute(implementation, prefix);
    if (!bidirectional.ok()) return Verdict::Broken(bidirectional.status().ToString());
    Verdict verdict = CompareRows(SliceLength(causal->output, length - 1, 1), bidirectional->output,
                                  OracleOf(prefix).rounding, tolerance);
    if (!verdict.holds) return Verdict::Broken(absl::StrCat("prefix of ", length, ": ", verdict.reason));
  }
  return {};
}

}  // namespace favor::testing
