#include "server/execution/attend_size.h"

#include <algorithm>
#include <cmath>

namespace favor {
namespace {

double Rows(const Shape& shape) { return static_cast<double>(shape.batch_size * shape.num_heads * shape.length); }

double AnchorOperations(const AttendWork& work) {
  const Shape& queries = work.queries.shape;
  const Shape& keys = work.keys.shape;
  const FeatureSpec& features = work.spec.features;
  const double d = static_cast<double>(queries.dim), e = static_cast<double>(work.values.shape.dim);
  const double anchors = static_cast<double>(features.num_anchors);
  const int64_t fit_rows = std::min(features.num_fit_rows, queries.num_heads / keys.num_heads * queries.length);
  const double products = d + static_cast<double>(NumPairs(std::min(features.num_directions, queries.dim)));
  const double of_key = anchors * (2 * products * e + 4 * d + 2 * e) + static_cast<double>(fit_rows) * 2 * (d + e);
  return Rows(keys) * of_key + Rows(queries) * 2 * (products * e + d * anchors);
}

double Operations(const AttendWork& work, const Projection* projection) {
  const Shape& queries = work.queries.shape;
  const Shape& keys = work.keys.shape;
  const double dims = 2.0 * static_cast<double>(queries.dim + work.values.shape.dim);
  if (work.spec.mode == AttentionMode::kExact) {
    return dims * Rows(queries) * static_cast<double>(keys.length) / (work.spec.causal ? 2 : 1);
  }
  if (UsesAnchors(work.spec.features)) return AnchorOperations(work);
  const int64_t projection_rows = projection == nullptr ? 0 : projection->num_features();
  const int64_t num_features = NumFeatures(work.spec.features, queries.dim, projection_rows);
  return dims * static_cast<double>(num_features) * (Rows(queries) + Rows(keys));
}

// The value's place among `num_bins`, each four times as wide as the one before; the first ends at `first`.
int Bin(double value, double first, int num_bins) {
  if (!(value > first)) return 0;
  return std::min(static_cast<int>(std::log2(value / first) / 2) + 1, num_bins - 1);
}

int Kind(const AttendWork& work, double operations) {
  constexpr int kNumWidths = 6, kNumLengths = 4;  // up to 16,384 operations a row, and 128 rows
  const AttentionSpec& spec = work.spec;
  const bool is_exact = spec.mode == AttentionMode::kExact;
  const Shape& queries = work.queries.shape;
  const Shape& keys = work.keys.shape;
  const double rows = std::max(1.0, Rows(queries) + Rows(keys));
  const int width = Bin(operations / rows, 64, kNumWidths);
  const int length = Bin(static_cast<double>(std::max(queries.length, keys.length)), 8, kNumLengths);
  const bool is_structured = work.drawn_projection && work.drawn_projection->kind == ProjectionKind::kStructured;
  const bool traits[] = {is_exact, spec.causal, is_structured, spec.precision == Precision::kBFloat16,
                         !is_exact && UsesAnchors(spec.features)};
  static_assert(kNumWidths * kNumLengths << std::size(traits) <= JobSize::kFirstModelKind);
  int kind = width * kNumLengths + length;
  for (const bool trait : traits) kind = 2 * kind + (trait ? 1 : 0);
  return kind;
}

}  // namespace

JobSize AttendSize(const AttendWork& work, const Projection* projection, const Job& job) {
  JobSize size;
  size.operations = Operations(work, projection);
  size.kind = Kind(work, size.operations);
  for (const Phase& phase : job.phases) size.max_parallel = std::max(size.max_parallel, phase.num_chains);
  return size;
}

}  // namespace favor
