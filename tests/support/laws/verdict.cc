#include "tests/support/laws/verdict.h"

#include <algorithm>
#include <cmath>
#include <ostream>

#include "absl/strings/str_cat.h"
#include "tests/support/oracle/attention.h"

namespace favor::testing {

std::ostream& operator<<(std::ostream& stream, const Verdict& verdict) {
  return stream << (verdict.holds ? "the law holds" : verdict.reason);
}

namespace {

double LargestOf(absl::Span<const double> row) {
  double largest = 0;
  for (const double value : row) largest = std::max(largest, std::abs(value));
  return largest;
}

}  // namespace

Verdict CompareRows(const DoubleTensor& actual, const DoubleTensor& expected, const std::vector<Rounding>& rounding,
                    double tolerance) {
  if (actual.shape != expected.shape) return Verdict::Broken("the shapes differ");
  const Shape& shape = expected.shape;
  size_t row = 0;
  for (int64_t b = 0; b < shape.batch_size; ++b) {
    for (int64_t h = 0; h < shape.num_heads; ++h) {
      for (int64_t i = 0; i < shape.length; ++i, ++row) {
        const absl::Span<const double> a = actual.Row(b, h, i);
        const absl::Span<const double> e = expected.Row(b, h, i);
        const Rounding measure = rounding.empty() ? Rounding{.scale = LargestOf(e)} : rounding[row];
        if (!(measure.conditioning <= kWorstConditioning)) continue;
        for (int64_t c = 0; c < shape.dim; ++c) {
          // Written so that a NaN breaks the law.
          if (std::abs(a[c] - e[c]) <= tolerance * measure.scale) continue;
          return Verdict::Broken(absl::StrCat("batch ", b, " head ", h, " position ", i, " of ", shape.length, " dim ",
                                              c, ": ", a[c], " instead of ", e[c], ", off by ",
                                              std::abs(a[c] - e[c]) / measure.scale, " of the scale ", measure.scale,
                                              ", tolerance ", tolerance, ", conditioning ", measure.conditioning));
        }
      }
    }
  }
  return {};
}

OracleOutput OracleOf(const AttentionCase& attention_case) {
  OracleOutput output;
  const AttentionImplementation oracle = [&](const AttentionSpec& spec, const AttentionInputs& inputs) {
    output = OracleAttend(spec, inputs);
    return absl::StatusOr<AttentionResult>(AttentionResult{});
  };
  static_cast<void>(Compute(oracle, attention_case));
  return output;
}

Verdict CompareCases(const AttentionImplementation& implementation, const AttentionCase& actual,
                     const AttentionCase& expected, double tolerance) {
  const absl::StatusOr<AttentionResult> a = Compute(implementation, actual);
  if (!a.ok()) return Verdict::Broken(a.status().ToString());
  const absl::StatusOr<AttentionResult> e = Compute(implementation, expected);
  if (!e.ok()) return Verdict::Broken(e.status().ToString());
  return CompareRows(a->output, e->output, OracleOf(expected).rounding, tolerance);
}

}  // namespace favor::testing
