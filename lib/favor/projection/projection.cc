#include "favor/projection/projection.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "favor/projection/draw_block.h"
#include "favor/projection/projection_id.h"
#include "favor/projection/structured.h"

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

absl::Status CheckEntries(absl::Span<const float> rows, int64_t num_features, int64_t head_dim) {
  for (int64_t i = 0; i < static_cast<int64_t>(rows.size()); ++i) {
    if (std::abs(rows[i]) <= kMaxProjectionEntry) continue;
    const int64_t row = i / head_dim;
    const std::string bound =
        std::isfinite(rows[i]) ? absl::StrCat("of magnitude at most ", kMaxProjectionEntry) : "finite";
    return absl::InvalidArgumentError(absl::StrCat("projection.matrix[", row / num_features, ", ", row % num_features,
                                                   ", ", i % head_dim, "] is ", rows[i], ", must be ", bound));
  }
  return absl::OkStatus();
}

int64_t RowsPerBlock(const ProjectionSpec& spec) {
  return spec.kind == ProjectionKind::kStructured ? StructuredSize(spec.head_dim) : spec.head_dim;
}

int64_t NumBlocks(const ProjectionSpec& spec) {
  return (spec.num_features + RowsPerBlock(spec) - 1) / RowsPerBlock(spec);
}

// Entries of the buffer for signs and row scales.
int64_t NumFactors(const ProjectionSpec& spec) {
  return spec.kind == ProjectionKind::kStructured ? NumBlocks(spec) * RowsPerBlock(spec) * 4 : 0;
}

// Draws one block's share of `factors` and multiplies it out.
void DrawStructuredBlock(const ProjectionSpec& spec, int64_t block, absl::Span<float> factors, absl::Span<float> rows) {
  const int64_t size = RowsPerBlock(spec);
  const absl::Span<float> signs = factors.subspan(block * 3 * size, 3 * size);
  const absl::Span<float> row_scales =
      factors.subspan(NumBlocks(spec) * 3 * size + block * size, rows.size() / spec.head_dim);
  internal::DrawStructuredFactors(spec, block, signs, row_scales);
  internal::MultiplyStructuredFactors(signs, row_scales, spec.head_dim, rows);
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Projection>> DrawProjection(const ProjectionSpec& spec,
                                                                 const Cancellation* cancellation) {
  if (spec.kind == ProjectionKind::kSupplied) {
    return absl::InvalidArgumentError("projection.kind is supplied, only orthogonal, iid and structured can be drawn");
  }
  if (absl::Status status = CheckSizes(spec.num_features, spec.head_dim); !status.ok()) return status;
  const int64_t size = spec.num_features * spec.head_dim;
  absl::StatusOr<AlignedBuffer<float>> rows = AlignedBuffer<float>::Allocate(size);
  if (!rows.ok()) return rows.status();
  absl::StatusOr<AlignedBuffer<float>> factors = AlignedBuffer<float>::AllocateZeroed(NumFactors(spec));
  if (!factors.ok()) return factors.status();

  const int64_t block_size = RowsPerBlock(spec) * spec.head_dim;  // the last block may hold fewer rows
  for (int64_t begin = 0; begin < size; begin += block_size) {
    if (cancellation != nullptr) {
      if (absl::Status status = cancellation->Check(); !status.ok()) return status;
    }
    const int64_t block = begin / block_size;
    const absl::Span<float> block_rows = rows->span().subspan(begin, block_size);
    if (spec.kind == ProjectionKind::kStructured) {
      DrawStructuredBlock(spec, block, factors->span(), block_rows);
    } else if (absl::Status status = internal::DrawBlock(spec, block, block_rows); !status.ok()) {
      return status;
    }
  }

  std::shared_ptr<Projection> projection(new Projection);
  projection->num_matrices_ = 1;
  projection->num_features_ = spec.num_features;
  projection->head_dim_ = spec.head_dim;
  projection->sqrt_dim_norms_ = TakesRowNorms(spec.kind) && spec.row_norms == RowNorms::kSqrtDim;
  projection->rows_ = *std::move(rows);
  projection->factors_ = *std::move(factors);
  projection->id_ = internal::DrawnProjectionId(spec);
  if (absl::Status status = projection->PackPanels(); !status.ok()) return status;
  return projection;
}

int64_t DrawnProjectionBytes(const ProjectionSpec& spec) {
  int64_t entries = spec.num_features * spec.head_dim + NumFactors(spec);
  if (spec.kind != ProjectionKind::kStructured) {
    entries += kernels::PanelRowCount(spec.num_features) * spec.head_dim;
    if (kernels::HasBFloat16Products()) entries += kernels::BFloat16PanelPairs(spec.num_features, spec.head_dim);
  }
  return entries * static_cast<int64_t>(sizeof(float));
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
  if (absl::Status status = CheckEntries(rows, num_features, head_dim); !status.ok()) return status;
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

kernels::Projector Projection::Projector(int64_t key_head) const {
  if (const std::optional<StructuredFactors> factors = Structured()) {
    return kernels::HadamardBlocks{factors->signs, factors->row_scales, factors->size, num_features_, head_dim_};
  }
  const int64_t index = num_matrices_ == 1 ? 0 : key_head;
  const float* panels = panels_.data() + index * kernels::PanelRowCount(num_features_) * head_dim_;
  return kernels::Panels{panels, num_features_, head_dim_};
}

kernels::Projector Projection::BFloat16Projector(int64_t key_head) const {
  if (pairs_.empty()) return Projector(key_head);
  const int64_t index = num_matrices_ == 1 ? 0 : key_head;
  const uint32_t* pairs = pairs_.data() + index * kernels::BFloat16PanelPairs(num_features_, head_dim_);
  return kernels::BFloat16Panels{pairs, num_features_, head_dim_};
}

absl::Status Projection::PackPanels() {
  if (!factors_.empty()) return absl::OkStatus();
  const int64_t size = kernels::PanelRowCount(num_features_) * head_dim_;
  absl::StatusOr<AlignedBuffer<float>> panels = AlignedBuffer<float>::Allocate(num_matrices_ * size);
  if (!panels.ok()) return panels.status();
  for (int64_t i = 0; i < num_matrices_; ++i) {
    kernels::PackPanels(Matrix(i).data(), head_dim_, num_features_, head_dim_, panels->data() + i * size);
  }
  panels_ = *std::move(panels);
  if (!kernels::HasBFloat16Products()) return absl::OkStatus();

  const int64_t num_pairs = kernels::BFloat16PanelPairs(num_features_, head_dim_);
  absl::StatusOr<AlignedBuffer<uint32_t>> pairs = AlignedBuffer<uint32_t>::Allocate(num_matrices_ * num_pairs);
  if (!pairs.ok()) return pairs.status();
  for (int64_t i = 0; i < num_matrices_; ++i) {
    kernels::PackBFloat16Panels(Matrix(i).data(), num_features_, head_dim_, pairs->data() + i * num_pairs);
  }
  pairs_ = *std::move(pairs);
  return absl::OkStatus();
}

}  // namespace favor
