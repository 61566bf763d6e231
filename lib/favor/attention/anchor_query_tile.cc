#include "favor/attention/anchor_query_tile.h"

#include <algorithm>

#include "favor/attention/not_finite.h"
#include "favor/kernels/anchors.h"
#include "favor/kernels/matmul.h"
#include "favor/kernels/panels.h"

namespace favor::internal {
namespace {

// Sums of as many as there may be stay finite.
constexpr float kMaxNorm4 = 1e28f;

// Its square; NaN is bounded too.
float FourthPower(float norm2) { return norm2 * norm2 < kMaxNorm4 ? norm2 * norm2 : kMaxNorm4; }

int32_t* TakeIntegers(int64_t count, ScratchLayout* layout) { return reinterpret_cast<int32_t*>(layout->Take(count)); }

}  // namespace

AnchorQueryTile::AnchorQueryTile(const FeatureSpec& spec, int64_t head_dim, int64_t value_dim, ScratchLayout* layout)
    : head_dim_(head_dim), value_stride_(kernels::Padded(value_dim)), stride_(kernels::Padded(head_dim)) {
  const int64_t num_anchors = spec.num_anchors, num_directions = std::min(spec.num_directions, head_dim);
  factor_stride_ = kernels::Padded(head_dim + NumPairs(num_directions));
  rows_ = layout->Take(kWidth * stride_);
  x_ = layout->Take(head_dim * kWidth);
  scores_ = layout->Take(kernels::PanelRowCount(num_anchors) * kWidth);
  offsets_ = layout->Take(kWidth * stride_);
  directed_ = layout->Take(kWidth * kernels::Padded(num_directions));
  factors_ = num_directions == 0 ? offsets_ : layout->Take(kWidth * factor_stride_);
  sums_ = layout->Take(kWidth * value_stride_);
  ones_ = layout->Take(kWidth);
  nearest_ = TakeIntegers(kWidth, layout);
  slot_ = TakeIntegers(kWidth, layout);
  begin_ = TakeIntegers(num_anchors + 1, layout);
}

absl::Status AnchorQueryTile::Load(const AnchorSet& anchors, const kernels::Rows& queries,
                                   const QueryTile::Origin& where) {
  count_ = queries.count;
  const float multiplier = static_cast<float>(anchors.multiplier());
  const int64_t finite = kernels::PackRows(queries, multiplier, /*clamp=*/true, rows_, stride_);
  if (finite < count_) return NotFiniteError("queries", queries, finite, where.batch, where.head, where.position);
  kernels::Transpose(rows_, stride_, count_, head_dim_, x_, kWidth);
  Assign(anchors.head(where.key_head));
  MakePairs(anchors.head(where.key_head));
  return absl::OkStatus();
}

void AnchorQueryTile::Assign(const AnchorSet::Head& anchors) {
  kernels::Project(anchors.metric, x_, kWidth, kernels::Padded(count_), nullptr, scores_);
  kernels::NearestRows(scores_, anchors.count, kWidth, kernels::Padded(count_), anchors.offsets, nearest_);
  std::fill_n(begin_, anchors.count + 1, 0);
  for (int64_t t = 0; t < count_; ++t) ++begin_[nearest_[t] + 1];
  for (int64_t c = 0; c < anchors.count; ++c) begin_[c + 1] += begin_[c];
  for (int64_t t = 0; t < count_; ++t) {
    slot_[t] = begin_[nearest_[t]]++;  // then begin_[c] is where anchor c ends
    const float* centre = anchors.centres + nearest_[t] * stride_;
    for (int64_t l = 0; l < stride_; ++l) offsets_[slot_[t] * stride_ + l] = rows_[t * stride_ + l] - centre[l];
  }
}

void AnchorQueryTile::MakePairs(const AnchorSet::Head& anchors) {
  const int64_t num_directions = anchors.num_directions, directed_stride = kernels::Padded(num_directions);
  if (num_directions == 0) return;
  kernels::MatMul({offsets_, stride_, 1}, {anchors.query_directions, directed_stride}, directed_, directed_stride,
                  count_, head_dim_, directed_stride, /*accumulate=*/false);
  for (int64_t t = 0; t < count_; ++t) {
    float* factors = factors_ + t * factor_stride_;
    std::copy_n(offsets_ + t * stride_, head_dim_, factors);
    factors += head_dim_;
    const float* u = directed_ + t * directed_stride;
    for (int64_t a = 0; a < num_directions; ++a) {
      *factors++ = 0.5f * u[a] * u[a];
      for (int64_t b = a + 1; b < num_directions; ++b) *factors++ = u[a] * u[b];
    }
  }
}

void AnchorQueryTile::Read(const AnchorState& state, int64_t first, int64_t last) {
  if (first == last) std::fill_n(sums_, count_ * value_stride_, 0.0f);
  for (int64_t c = 0; c < state.num_anchors(); ++c) {
    const int64_t begin = c == 0 ? 0 : begin_[c - 1], rows = begin_[c] - begin;
    if (rows == 0 || first == last) continue;
    kernels::MatMul({factors_ + begin * factor_stride_ + first, factor_stride_, 1},
                    {state.product(c, first), value_stride_}, sums_ + begin * value_stride_, value_stride_, rows,
                    last - first, value_stride_, /*accumulate=*/false);
  }
}

int64_t AnchorQueryTile::Store(const AnchorState& state, const kernels::MutableRows& out) {
  std::fill_n(ones_, kWidth, state.count > 0 ? 1.0f : 0.0f);  // without a key a row is zero, and counted
  int64_t degenerate = 0;
  kernels::MutableRows row = out;
  row.count = 1;
  for (int64_t t = 0; t < count_; ++t) {
    float* sums = sums_ + slot_[t] * value_stride_;
    const float* mean = at_anchor(t, state);
    for (int64_t n = 0; n < value_stride_; ++n) sums[n] += mean[n];
    degenerate += kernels::StoreNormalised(sums, value_stride_, ones_, row);
    row.first += row.row_stride * SizeOf(row.type);
  }
  return degenerate;
}

void AnchorQueryTile::Moments(kernels::RowMoments* moments) const {
  alignas(64) float norms[3][kWidth];
  kernels::RowSquaredNorms(offsets_, count_, stride_, norms[0]);
  kernels::RowSquaredNorms(sums_, count_, value_stride_, norms[1]);
  kernels::RowSquaredNorms(rows_, count_, stride_, norms[2]);
  for (int64_t t = 0; t < count_; ++t) {
    const float norm = norms[1][slot_[t]];
    moments[t] = {FourthPower(norms[0][slot_[t]]), norm < kMaxNorm4 ? norm : 0, FourthPower(norms[2][t])};
  }
}

}  // namespace favor::internal
