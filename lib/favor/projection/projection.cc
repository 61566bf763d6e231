#include "favor/projection/projection.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "favor/projection/draw_block.h"
#include "favor/projection/projection_id.h"

namespace favor {
namespace {

absl::Status CheckSize(absl::string_view field, int64_t value, int64_t most) {
  if (value < 1) return absl::InvalidArgumentError(absl::StrCat(field, " is ", value, ", at least 1"));
  if (value > most) return absl::InvalidArgumentError(absl::StrCat(field, " is ", value, ", at most ", most));
  return absl::OkStatus();
}

absl::Status CheckSizes(int64_t num_features, int64_t head_dim) {
  if (absl::Status status = CheckSize("projection.num_features", num_features, kMaxNumFeatures); !status.ok()) {
    return status;
  }
  return CheckSize("projection.head_dim", head_dim, kMaxHeadDim);
}

absl::Status CheckFinite(absl::Span<const float> rows, int64_t num_features, int64_t head_dim) {
  for (int64_t i = 0; i < static_cast<int64_t>(rows.size()); ++i) {
    if (std::isfinite(rows[i])) continue;
    const int64_t row = i / head_dim;
    return absl::InvalidArgumentError(absl::StrCat("projection.matrix[", row / num_features, ", ", row % num_features,
                                                   ", ", i % head_dim, "] is ", rows[i], ", must be finite"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Projection>> DrawProjection(const ProjectionSpec& spec,
                                                                 const Cancellation* cancellation) {
  if (spec.kind == ProjectionKind::kSupplied) {
    return absl::InvalidArgumentError("projection.kind is supplied, only orthogonal and iid can be drawn");
  }
  if (absl::Status status = CheckSizes(spec.num_features, spec.head_dim); !status.ok()) return status;
  const int64_t size = spec.num_features * spec.head_dim;
  absl::StatusOr<AlignedBuffer<float>> rows = AlignedBuffer<float>::Allocate(size);
  if (!rows.ok()) return rows.status();

  const int64_t block_size = spec.head_dim * spec.head_dim;  // the last block may hold fewer rows
  for (int64_t begin = 0; begin < size; begin += block_size) {
    if (cancellation != nullptr) {
      if (absl::Status status = cancellation->Check(); !status.ok()) return status;
    }
    absl::Span<float> block = rows->span().subspan(begin, block_size);
    if (absl::Status status = internal::DrawBlock(spec, begin / block_size, block); !status.ok()) return status;
  }

  std::shared_ptr<Projection> projection(new Projection);
  projection->num_matrices_ = 1;
  projection->num_features_ = spec.num_features;
  projection->head_dim_ = spec.head_dim;
  projection->rows_ = *std::move(rows);
  projection->id_ = internal::DrawnProjectionId(spec);
  if (absl::Status status = projection->PackPanels(); !status.ok()) return status;
  return projection;
}

absl::StatusOr<std::shared_ptr<const Projection>> SuppliedProjection(absl::Span<const float> rows, int64_t num_matrices,
                                                                     int64_t num_features, int64_t head_dim) {
  if (absl::Status status = CheckSizes(num_features, head_dim); !status.ok()) return status;
  const int64_t size = rows.size();
  const int64_t matrix_size = num_features * head_dim;
  if (num_matrices < 1) {
    return absl::InvalidArgumentError(absl::StrCat("projection.matrix has ", num_matrices, " matrices, at least 1"));
  }
  if (size % matrix_size != 0 || size / matrix_size != num_matrices) {  // their product may overflow
    return absl::InvalidArgumentError(absl::StrCat("projection.matrix has ", size, " entries, does not fit shape [",
                                                   num_matrices, ", ", num_features, ", ", head_dim, "]"));
  }
  if (absl::Status status = CheckFinite(rows, num_features, head_dim); !status.ok()) return status;
  absl::StatusOr<AlignedBuffer<float>> copy = AlignedBuffer<float>::Allocate(size);
  if (!copy.ok()) return copy.status();
  std::memcpy(copy->data(), rows.data(), size * sizeof(float));

  std::shared_ptr<Projection> projection(new Projection);
  projection->num_matrices_ = num_matrices;
  projection->num_features_ = num_features;
  projection->head_dim_ = head_dim;
  projection->rows_ = *std::move(copy);
  projection->id_ = internal::SuppliedProjectionId(projection->rows_.span(), num_matrices, num_features, head_dim);
  if (absl::Status status = projection->PackPanels(); !status.ok()) return status;
  return projection;
}

absl::Status Projection::PackPanels() {
  const int64_t size = kernels::PanelRowCount(num_features_) * head_dim_;
  absl::StatusOr<AlignedBuffer<float>> panels = AlignedBuffer<float>::Allocate(num_matrices_ * size);
  if (!panels.ok()) return panels.status();
  for (int64_t i = 0; i < num_matrices_; ++i) {
    kernels::PackPanels(Matrix(i).data(), head_dim_, num_features_, head_dim_, panels->data() + i * size);
  }
  panels_ = *std::move(panels);
  return absl::OkStatus();
}

int64_t ProjectionBytes(int64_t num_matrices, int64_t num_features, int64_t head_dim) {
  const int64_t rows = num_features + kernels::PanelRowCount(num_features);
  return num_matrices * rows * head_dim * static_cast<int64_t>(sizeof(float));
}

}  // namespace favor
