#include "favor/projection/draw_block.h"

#include <cmath>

#include "absl/status/statusor.h"
#include "favor/base/aligned_buffer.h"
#include "favor/projection/gaussian.h"
#include "favor/projection/orthonormal.h"

namespace favor::internal {
namespace {

absl::Status DrawIid(const ProjectionSpec& spec, int64_t block, absl::Span<float> rows) {
  const int64_t head_dim = spec.head_dim;
  const BlockKey key{spec.seed, GaussianStream::kIid, head_dim, block};
  double values[kMaxHeadDim];
  for (int64_t r = 0; r * head_dim < static_cast<int64_t>(rows.size()); ++r) {
    DrawGaussianRow(key, r, absl::MakeSpan(values, head_dim));
    for (int64_t i = 0; i < head_dim; ++i) rows[r * head_dim + i] = static_cast<float>(values[i]);
  }
  return absl::OkStatus();
}

// Norm of a row: sqrt(head_dim), or the norm of a fresh N(0, I) vector, which is chi distributed and independent of the
// row's direction.
double DrawNorm(const ProjectionSpec& spec, int64_t block, int64_t row) {
  if (spec.row_norms == RowNorms::kSqrtDim) return std::sqrt(static_cast<double>(spec.head_dim));
  return DrawChi({spec.seed, GaussianStream::kNorms, spec.head_dim, block}, row);
}

absl::Status DrawOrthogonal(const ProjectionSpec& spec, int64_t block, absl::Span<float> rows) {
  const int64_t head_dim = spec.head_dim;
  const int64_t stride = RowStride(head_dim);
  const int64_t num_rows = rows.size() / head_dim;
  const BlockKey key{spec.seed, GaussianStream::kDirections, head_dim, block};
  absl::StatusOr<AlignedBuffer<double>> directions = AlignedBuffer<double>::AllocateZeroed(num_rows * stride);
  if (!directions.ok()) return directions.status();
  for (int64_t r = 0; r < num_rows; ++r) {
    double* direction = directions->data() + r * stride;
    DrawGaussianRow(key, r, absl::MakeSpan(direction, head_dim));
    OrthonormalizeRow(directions->data(), r, stride);
    const double norm = DrawNorm(spec, block, r);
    for (int64_t i = 0; i < head_dim; ++i) rows[r * head_dim + i] = static_cast<float>(norm * direction[i]);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status DrawBlock(const ProjectionSpec& spec, int64_t block, absl::Span<float> rows) {
  return spec.kind == ProjectionKind::kIid ? DrawIid(spec, block, rows) : DrawOrthogonal(spec, block, rows);
}

}  // namespace favor::internal
