#include "tests/support/laws/masking.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "tests/support/errors.h"

namespace favor::testing {
namespace {

void FillPadding(DoubleTensor& tensor, const std::vector<int64_t>& lengths, double filling) {
  if (lengths.empty()) return;
  for (int64_t b = 0; b < tensor.shape.batch_size; ++b) {
    for (int64_t h = 0; h < tensor.shape.num_heads; ++h) {
      for (int64_t i = lengths[b]; i < tensor.shape.length; ++i) std::ranges::fill(tensor.Row(b, h, i), filling);
    }
  }
}

AttentionCase WithPadding(AttentionCase attention_case, double filling) {
  FillPadding(attention_case.queries, attention_case.query_lengths, filling);
  FillPadding(attention_case.keys, attention_case.key_lengths, filling);
  FillPadding(attention_case.values, attention_case.key_lengths, filling);
  return attention_case;
}

// Sequence b by itself, without padding.
AttentionCase CutToLengths(const AttentionCase& attention_case, int64_t b) {
  const auto length = [&](const std::vector<int64_t>& lengths, const DoubleTensor& tensor) {
    return lengths.empty() ? tensor.shape.length : lengths[b];
  };
  const int64_t num_queries = length(attention_case.query_lengths, attention_case.queries);
  const int64_t num_keys = length(attention_case.key_lengths, attention_case.keys);
  AttentionCase cut = attention_case;
  cut.query_lengths.clear();
  cut.key_lengths.clear();
  cut.queries = SliceLength(SliceBatch(attention_case.queries, b, 1), 0, num_queries);
  cut.keys = SliceLength(SliceBatch(attention_case.keys, b, 1), 0, num_keys);
  cut.values = SliceLength(SliceBatch(attention_case.values, b, 1), 0, num_keys);
  return cut;
}

}  // namespace

Verdict PaddingNeverShows(const AttentionImplementation& implementation, const AttentionCase& attention_case,
                          double tolerance) {
  const absl::StatusOr<AttentionResult> clean = Compute(implementation, WithPadding(attention_case, 0));
  if (!clean.ok()) return Verdict::Broken(clean.status().ToString());
  for (const double filling : {1e9, std::numeric_limits<double>::quiet_NaN()}) {
    const absl::StatusOr<AttentionResult> dirty = Compute(implementation, WithPadding(attention_case, filling));
    if (!dirty.ok()) return Verdict::Broken(dirty.status().ToString());
    if (!SameBits(dirty->output, clean->output)) {
      return Verdict::Broken(
          absl::StrCat("padding of ", filling, " changes the output by ", RelativeError(dirty->output, clean->output)));
    }
  }
  for (int64_t b = 0; b < attention_case.queries.shape.batch_size; ++b) {
    const AttentionCase alone = CutToLengths(attention_case, b);
    const absl::StatusOr<AttentionResult> expected = Compute(implementation, alone);
    if (!expected.ok()) return Verdict::Broken(expected.status().ToString());
    const DoubleTensor sequence = SliceBatch(clean->output, b, 1);
    const int64_t num_queries = alone.queries.shape.length;
    Verdict verdict =
        CompareRows(SliceLength(sequence, 0, num_queries), expected->output, OracleOf(alone).rounding, tolerance);
    if (!verdict.holds) return Verdict::Broken(absl::StrCat("sequence ", b, " without padding: ", verdict.reason));
    const DoubleTensor padding = SliceLength(sequence, num_queries, sequence.shape.length - num_queries);
    if (!SameBits(padding, DoubleTensor(padding.shape))) return Verdict::Broken("padding queries get outputs");
  }
  return {};
}

}  // namespace favor::testing
