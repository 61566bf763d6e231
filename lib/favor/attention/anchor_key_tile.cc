#include "favor/attention/anchor_key_tile.h"

#include <algorithm>

#include "favor/attention/not_finite.h"
#include "favor/kernels/anchors.h"
#include "favor/kernels/exponential.h"
#include "favor/kernels/fused_weights.h"
#include "favor/kernels/matmul.h"
#include "favor/kernels/panels.h"
#include "favor/kernels/sums.h"
#include "favor/kernels/transform.h"

namespace favor::internal {
namespace {

// Coordinates whose products with the weights, 17 KB, stay in L1 until they are multiplied with the values.
constexpr int64_t kBlockRows = 5 * kernels::kPanel;

}  // namespace

AnchorKeyTile::AnchorKeyTile(const FeatureSpec& spec, int64_t head_dim, int64_t value_dim, ScratchLayout* layout)
    : head_dim_(head_dim), value_stride_(kernels::Padded(value_dim)), key_stride_(kernels::Padded(head_dim)) {
  values_ = layout->Take(kWidth * value_stride_);
  keys_ = layout->Take(kWidth * key_stride_);
  const int64_t num_anchors = spec.num_anchors, num_directions = std::min(spec.num_directions, head_dim);
  y_ = layout->Take((head_dim + NumPairs(num_directions)) * kWidth);
  z_ = layout->Take(kernels::PanelRowCount(num_directions) * kWidth);
  weights_ = layout->Take(kernels::PanelRowCount(num_anchors) * kWidth);
  weighted_ = layout->Take(kBlockRows * kWidth);
  row_sums_ = layout->Take(num_anchors);
  shift_ = layout->Take(num_anchors);
  excess_ = layout->Take(kWidth);
  zeros_ = layout->Take(kWidth);
  visible_ = layout->Take(kWidth);
}

absl::Status AnchorKeyTile::Load(const AnchorSet& anchors, const kernels::Rows& keys, const kernels::Rows& values,
                                 const KeyTile::Origin& where) {
  count_ = keys.count;
  const float multiplier = static_cast<float>(anchors.multiplier());
  int64_t finite = kernels::PackRows(keys, multiplier, /*clamp=*/true, keys_, key_stride_);
  if (finite < count_) return NotFiniteError("keys", keys, finite, where.batch, where.key_head, where.position);
  finite = kernels::PackRows(values, 1.0f, /*clamp=*/false, values_, value_stride_);
  if (finite < count_) return NotFiniteError("values", values, finite, where.batch, where.key_head, where.position);
  kernels::ShiftScaleRows(keys_, count_, key_stride_, head_dim_, anchors.head(where.key_head).key_shift, nullptr);
  kernels::Transpose(keys_, key_stride_, count_, head_dim_, y_, kWidth);
  MakePairs(anchors.head(where.key_head));
  std::fill_n(zeros_, kWidth, 0.0f);
  std::fill_n(visible_, count_, 0.0f);
  std::fill(visible_ + count_, visible_ + kWidth, kernels::kNoExponent);
  return absl::OkStatus();
}

void AnchorKeyTile::Weigh(const AnchorSet::Head& anchors, AnchorState* state) {
  const int64_t cols = kernels::Padded(count_), rows = anchors.count;
  if (kernels::ProjectKeyWeights(anchors.exponents, y_, kWidth, cols, zeros_, visible_, state->maxima, weights_,
                                 row_sums_)) {
    return kernels::AddCompensated(row_sums_, rows, state->weights, state->weight_compensation);
  }
  kernels::Project(anchors.exponents, y_, kWidth, cols, nullptr, weights_);
  kernels::RaiseMaxima(weights_, rows, kWidth, 0, count_, zeros_, visible_, kernels::kMaxRise, state->maxima, shift_);
  for (int64_t c = 0; c < rows; ++c) state->Shift(c, shift_[c]);
  kernels::KeyWeights(weights_, rows, kWidth, cols, zeros_, visible_, state->maxima, excess_);
  kernels::AddRowSums(weights_, rows, kWidth, 0, count_, state->weights, state->weight_compensation);
}

void AnchorKeyTile::MakePairs(const AnchorSet::Head& anchors) {
  const int64_t num_directions = anchors.num_directions, cols = kernels::Padded(count_);
  if (num_directions == 0) return;
  kernels::Project(anchors.key_directions, y_, kWidth, cols, nullptr, z_);
  float* pairs = y_ + head_dim_ * kWidth;
  for (int64_t a = 0; a < num_directions; ++a) {
    const float* row = z_ + a * kWidth;
    kernels::MultiplyRows(row, num_directions - a, kWidth, cols, row, pairs);
    pairs += (num_directions - a) * kWidth;
  }
}

void AnchorKeyTile::FoldProducts(int64_t c, AnchorState* state) {
  for (int64_t begin = 0; begin < state->num_products(); begin += kBlockRows) {
    const int64_t rows = std::min(kBlockRows, state->num_products() - begin);
    float* sums = state->product(c, begin);
    kernels::MultiplyRows(y_ + begin * kWidth, rows, kWidth, kernels::Padded(count_), weights_ + c * kWidth, weighted_);
    kernels::CompensatedMatMul({weighted_, kWidth, 1}, {values_, value_stride_}, sums,
                               state->product_compensation + (sums - state->products), value_stride_, rows, count_,
                               value_stride_);
    // Sums of the products of two directions by themselves; those of coordinates come from a product of their own.
    const int64_t first_pair = std::max(begin, head_dim_), num_pairs = begin + rows - first_pair;
    if (num_pairs <= 0) continue;
    const int64_t at = c * state->pair_stride() + first_pair - head_dim_;
    kernels::AddRowSums(weighted_ + (first_pair - begin) * kWidth, num_pairs, kWidth, 0, count_, state->pairs + at,
                        state->pair_compensation + at);
  }
}

void AnchorKeyTile::FoldInto(const AnchorSet::Head& anchors, AnchorState* state) {
  Weigh(anchors, state);
  kernels::CompensatedMatMul({weights_, kWidth, 1}, {values_, value_stride_}, state->values, state->value_compensation,
                             value_stride_, anchors.count, count_, value_stride_);
  kernels::CompensatedMatMul({weights_, kWidth, 1}, {keys_, key_stride_}, state->keys, state->key_compensation,
                             key_stride_, anchors.count, count_, key_stride_);
  for (int64_t c = 0; c < anchors.count; ++c) FoldProducts(c, state);
  kernels::AddColumnSums(values_, count_, value_stride_, state->total, state->total_compensation);
  state->count += count_;
}

}  // namespace favor::internal
