#include "tests/support/laws/partition.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace favor::testing {
namespace {

// The projection of one key head, as a matrix for all heads.
std::shared_ptr<const Projection> ProjectionOf(const std::shared_ptr<const Projection>& projection, int64_t key_head) {
  if (projection == nullptr || projection->num_matrices() == 1) return projection;
  return SuppliedProjection(projection->Matrix(key_head), 1, projection->num_features(), projection->head_dim())
      .value();
}

AttentionCase SequenceOf(const AttentionCase& attention_case, int64_t b) {
  AttentionCase part = attention_case;
  part.queries = SliceBatch(attention_case.queries, b, 1);
  part.keys = SliceBatch(attention_case.keys, b, 1);
  part.values = SliceBatch(attention_case.values, b, 1);
  if (!part.query_lengths.empty()) part.query_lengths = {attention_case.query_lengths[b]};
  if (!part.key_lengths.empty()) part.key_lengths = {attention_case.key_lengths[b]};
  return part;
}

AttentionCase HeadOf(const AttentionCase& attention_case, int64_t h) {
  const int64_t key_head = h / (attention_case.queries.shape.num_heads / attention_case.keys.shape.num_heads);
  AttentionCase part = attention_case;
  part.queries = SliceHeads(attention_case.queries, h, 1);
  part.keys = SliceHeads(attention_case.keys, key_head, 1);
  part.values = SliceHeads(attention_case.values, key_head, 1);
  part.projection = ProjectionOf(attention_case.projection, key_head);
  if (const auto& statistics = attention_case.spec.features.statistics) {
    part.spec.features.statistics = std::make_shared<const Statistics>(Statistics{{statistics->heads[key_head]}});
  }
  return part;
}

Verdict ComparePart(const AttentionImplementation& implementation, const AttentionCase& part,
                    const DoubleTensor& of_whole, double tolerance) {
  const absl::StatusOr<AttentionResult> alone = Compute(implementation, part);
  if (!alone.ok()) return Verdict::Broken(alone.status().ToString());
  return CompareRows(of_whole, alone->output, OracleOf(part).rounding, tolerance);
}

AttentionCase KeysOf(const AttentionCase& attention_case, int64_t begin, int64_t count) {
  AttentionCase part = attention_case;
  part.keys = SliceLength(attention_case.keys, begin, count);
  part.values = SliceLength(attention_case.values, begin, count);
  return part;
}

// Value 1 for keys before position, 0 from there on.
AttentionCase Indicator(const AttentionCase& attention_case, int64_t position) {
  AttentionCase indicator = attention_case;
  Shape shape = attention_case.values.shape;
  shape.dim = 1;
  indicator.values = DoubleTensor(shape);
  for (int64_t b = 0; b < shape.batch_size; ++b) {
    for (int64_t h = 0; h < shape.num_heads; ++h) {
      for (int64_t j = 0; j < position; ++j) indicator.values.Row(b, h, j)[0] = 1;
    }
  }
  return indicator;
}

}  // namespace

Verdict BatchEqualsItsSequences(const AttentionImplementation& implementation, const AttentionCase& attention_case,
                                double tolerance) {
  const absl::StatusOr<AttentionResult> whole = Compute(implementation, attention_case);
  if (!whole.ok()) return Verdict::Broken(whole.status().ToString());
  for (int64_t b = 0; b < attention_case.queries.shape.batch_size; ++b) {
    Verdict verdict =
        ComparePart(implementation, SequenceOf(attention_case, b), SliceBatch(whole->output, b, 1), tolerance);
    if (!verdict.holds) return Verdict::Broken(absl::StrCat("sequence ", b, ": ", verdict.reason));
  }
  return {};
}

Verdict HeadsEqualEachHeadAlone(const AttentionImplementation& implementation, const AttentionCase& attention_case,
                                double tolerance) {
  const absl::StatusOr<AttentionResult> whole = Compute(implementation, attention_case);
  if (!whole.ok()) return Verdict::Broken(whole.status().ToString());
  for (int64_t h = 0; h < attention_case.queries.shape.num_heads; ++h) {
    Verdict verdict =
        ComparePart(implementation, HeadOf(attention_case, h), SliceHeads(whole->output, h, 1), tolerance);
    if (!verdict.holds) return Verdict::Broken(absl::StrCat("head ", h, ": ", verdict.reason));
  }
  return {};
}

Verdict QueryChunksEqualTheWhole(const AttentionImplementation& implementation, const AttentionCase& attention_case,
                                 int64_t chunk_length, double tolerance) {
  const absl::StatusOr<AttentionResult> whole = Compute(implementation, attention_case);
  if (!whole.ok()) return Verdict::Broken(whole.status().ToString());
  const int64_t length = attention_case.queries.shape.length;
  for (int64_t begin = 0; begin < length; begin += chunk_length) {
    const int64_t count = std::min(chunk_length, length - begin);
    AttentionCase chunk = attention_case;
    chunk.queries = SliceLength(attention_case.queries, begin, count);
    Verdict verdict = ComparePart(implementation, chunk, SliceLength(whole->output, begin, count), tolerance);
    if (!verdict.holds) return Verdict::Broken(absl::StrCat("chunk at ", begin, ": ", verdict.reason));
  }
  return {};
}

Verdict SegmentsOfKeysMixToTheWhole(const AttentionImplementation& implementation, const AttentionCase& attention_case,
                                    int64_t position, double tolerance) {
  const int64_t length = attention_case.keys.shape.length;
  std::vector<DoubleTensor> outputs;
  for (const AttentionCase& part :
       {attention_case, Indicator(attention_case, position), KeysOf(attention_case, 0, position),
        KeysOf(attention_case, position, length - position)}) {
    const absl::StatusOr<AttentionResult> result = Compute(implementation, part);
    if (!result.ok()) return Verdict::Broken(result.status().ToString());
    outputs.push_back(result->output);
  }
  const DoubleTensor& whole = outputs[0];
  DoubleTensor mixed(whole.shape);
  for (size_t i = 0; i < mixed.values.size(); ++i) {
    const double share = outputs[1].values[i / mixed.shape.dim];
    mixed.values[i] = share * outputs[2].values[i] + (1 - share) * outputs[3].values[i];
  }
  return CompareRows(mixed, whole, OracleOf(attention_case).rounding, tolerance);
}

}  // namespace favor::testing
