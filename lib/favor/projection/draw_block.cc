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

// The first num_rows rows of a Haar-distributed orthogonal matrix, RowStride(head_dim) apart.
absl::StatusOr<AlignedBuffer<double>> DrawDirections(const ProjectionSpec& spec, int64_t block, int64_t num_rows) {
  const int64_t stride = RowStride(spec.head_dim);
  const BlockKey key{spec.seed, GaussianStream::kDirections, spec.head_dim, block};
  absl::StatusOr<AlignedBuffer<double>> directions = AlignedBuffer<double>::AllocateZeroed(num_rows * stride);
  if (!directions.ok()) return directions.status();
  for (int64_t r = 0; r < num_rows; ++r) {
    DrawGaussianRow(key, r, absl::MakeSpan(directions->data() + r * stride, spec.head_dim));
    OrthonormalizeRow(directions->data(), r, stride);
  }
  return directions;
}

// Turns the rows of an orthogonal matrix into the directions of a simplex: each less the mean of all, which leaves
// sqrt(1 - 1 / d) of its length. The mean is added up in the order of the rows.
void MakeSimplex(int64_t head_dim, double* directions) {
  const int64_t stride = RowStride(head_dim);
  const double d = static_cast<double>(head_dim), length = std::sqrt(1 - 1 / d);
  for (int64_t i = 0; i < head_dim; ++i) {
    double sum = 0;
    for (int64_t r = 0; r < head_dim; ++r) sum += directions[r * stride + i];
    for (int64_t r = 0; r < head_dim; ++r) directions[r * stride + i] = (directions[r * stride + i] - sum / d) / length;
  }
}

absl::Status DrawCoupled(const ProjectionSpec& spec, int64_t block, absl::Span<float> rows) {
  const int64_t head_dim = spec.head_dim, num_rows = rows.size() / head_dim;
  const bool simplex = spec.kind == ProjectionKind::kSimplex && head_dim > 2;
  // The mean of a simplex is that of all corners, also where not all are asked for.
  absl::StatusOr<AlignedBuffer<double>> directions = DrawDirections(spec, block, simplex ? head_dim : num_rows);
  if (!directions.ok()) return directions.status();
  if (simplex) MakeSimplex(head_dim, directions->data());
  for (int64_t r = 0; r < num_rows; ++r) {
    const double* direction = directions->data() + r * RowStride(head_dim);
    const double norm = DrawNorm(spec, block, r);
    for (int64_t i = 0; i < head_dim; ++i) rows[r * head_dim + i] = static_cast<float>(norm * direction[i]);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status DrawBlock(const ProjectionSpec& spec, int64_t block, absl::Span<float> rows) {
  return spec.kind == ProjectionKind::kIid ? DrawIid(spec, block, rows) : DrawCoupled(spec, block, rows);
}

}  // namespace favor::internal
