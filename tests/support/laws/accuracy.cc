#include "tests/support/laws/accuracy.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace favor::testing {
namespace {

constexpr int64_t kHeadDim = 16;
constexpr int64_t kNumRows = 24;

// The key whose features are largest. exp(w.x - |x|^2/2) is largest at x = w, and exp(w.x - |x|^2) at w/2; where no
// norm holds it back, a long key along w, or all ones without a projection.
std::vector<double> LoudestKey(const AttentionSpec& spec, const Projection* projection, double quiet_scale) {
  std::vector<double> key(kHeadDim, quiet_scale);
  if (projection == nullptr) return key;
  const bool held_back = spec.features.kernel != Kernel::kGeneralized;
  const double factor = !held_back ? quiet_scale / 4 : spec.features.kernel == Kernel::kGaussian ? 1 : 2;
  for (int64_t c = 0; c < kHeadDim; ++c) key[c] = static_cast<float>(factor * projection->Matrix(0)[c]);
  return key;
}

}  // namespace

Verdict AgreesWithOracle(const AttentionImplementation& implementation, const AttentionCase& attention_case,
                         double tolerance) {
  const absl::StatusOr<AttentionResult> actual = Compute(implementation, attention_case);
  if (!actual.ok()) return Verdict::Broken(actual.status().ToString());
  const OracleOutput expected = OracleOf(attention_case);
  Verdict verdict = CompareRows(actual->output, expected.output, expected.rounding, tolerance);
  if (!verdict.holds) return verdict;
  // A badly conditioned denominator may round to either side of zero.
  const bool countable = std::ranges::all_of(
      expected.rounding, [](const Rounding& row) { return row.conditioning <= kWorstConditioning; });
  if (countable && actual->report.degenerate_rows != expected.degenerate_rows) {
    return Verdict::Broken(
        absl::StrCat(actual->report.degenerate_rows, " degenerate rows instead of ", expected.degenerate_rows));
  }
  return {};
}

Verdict LoudKeyLeavesOtherRowsRight(const AttentionImplementation& implementation, const ServedMap& map,
                                    const LoudKey& loud, double tolerance) {
  AttentionShape shape;
  shape.query_length = shape.key_length = loud.length;
  shape.head_dim = kHeadDim;
  shape.value_dim = 5;
  const AttentionCase quiet =
      GaussianCase(map.spec, shape, ProjectionFor(map, kNumRows, kHeadDim, 7), /*seed=*/11, loud.quiet_scale);
  const std::vector<double> loudest = LoudestKey(map.spec, quiet.projection.get(), loud.quiet_scale);
  for (int64_t position = loud.first_position; position <= loud.last_position; ++position) {
    AttentionCase attention_case = quiet;
    std::copy(loudest.begin(), loudest.end(), attention_case.keys.Row(0, 0, position).begin());
    Verdict verdict = AgreesWithOracle(implementation, attention_case, tolerance);
    if (!verdict.holds) return Verdict::Broken(absl::StrCat("loud key at ", position, ": ", verdict.reason));
  }
  return {};
}

}  // namespace favor::testing
