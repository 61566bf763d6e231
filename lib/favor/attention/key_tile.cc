#include "favor/attention/key_tile.h"

#include <algorithm>
#include <cmath>

#include "favor/attention/not_finite.h"
#include "favor/kernels/bfloat16.h"
#include "favor/kernels/exponential.h"
#include "favor/kernels/fused_weights.h"
#include "favor/kernels/matmul.h"
#include "favor/kernels/sums.h"
#include "favor/kernels/tile.h"
#include "favor/kernels/transform.h"
#include "favor/kernels/value_maps.h"

namespace favor::internal {

using kernels::kTile;

namespace {

// Features that are folded at a time: their weights, 42 KB for a tile of kFoldTile keys, stay in L2, and in L1 by
// parts.
constexpr int64_t kBlockRows = 12 * kernels::kPanel;

}  // namespace

KeyTile::KeyTile(const FeatureMap* map, int64_t head_dim, int64_t value_dim, const Use& use, ScratchLayout* layout)
    : map_(map),
      head_dim_(head_dim),
      value_stride_(kernels::Padded(value_dim)),
      width_(use.width),
      fused_(use.fused),
      bfloat16_(use.bfloat16) {
  block_rows_ = map->num_features();
  int64_t padded_rows = map->feature_rows();
  if (fused_ && !use.all_features) {
    const kernels::Projector projector = map->projector(0);
    block_rows_ = std::min(projector.GrainsIn(kBlockRows), block_rows_);
    padded_rows = projector.Slice(0, block_rows_).padded_rows();
  }
  rows_ = layout->Take(width_ * kernels::Padded(head_dim));
  // A transformed tile comes with the rows that fill the last panel up.
  x_ = layout->Take((map->transforms() ? kernels::PanelRowCount(head_dim) : head_dim) * width_);
  input_ = map->transforms() ? layout->Take(head_dim * width_) : x_;
  features_ = layout->Take(padded_rows * width_);
  values_ = layout->Take(width_ * value_stride_);
  value_pairs_ = layout->TakePairs(bfloat16_ ? width_ / 2 * value_stride_ : 0);
  weight_pairs_ = layout->TakePairs(bfloat16_ ? block_rows_ * width_ / 2 : 0);
  fraction_ = layout->Take(width_);
  whole_ = layout->Take(width_);
  own_fraction_ = fused_ ? layout->Take(width_) : fraction_;
  excess_ = layout->Take(width_);
  factor_ = layout->Take(width_);
  shift_ = layout->Take(block_rows_);
  row_sums_ = layout->Take(block_rows_);
  stabilisers_ = layout->Take(fused_ ? 0 : kTile);
}

absl::Status KeyTile::Load(const kernels::Rows& keys, const kernels::Rows& values, const Origin& where) {
  key_head_ = where.key_head;
  count_ = keys.count;
  const int64_t stride = kernels::Padded(head_dim_);
  int64_t finite = kernels::PackRows(keys, map_->input_multiplier(), /*clamp=*/true, rows_, stride);
  if (finite < count_) return NotFiniteError("keys", keys, finite, where.batch, where.key_head, where.position);
  const HeadTransforms::Head* transform = map_->transforms() ? &map_->transform(key_head_) : nullptr;
  if (transform != nullptr) {
    kernels::ShiftScaleRows(rows_, count_, stride, head_dim_, transform->key_shift, transform->key_factors);
  }
  finite = kernels::PackRows(values, 1.0f, /*clamp=*/false, values_, value_stride_);
  if (finite < count_) return NotFiniteError("values", values, finite, where.batch, where.key_head, where.position);
  kernels::Transpose(rows_, stride, count_, head_dim_, transform != nullptr && transform->keys ? input_ : x_, width_);
  if (transform != nullptr) {
    if (transform->keys) kernels::Project(*transform->keys, input_, width_, width_, nullptr, x_);
    kernels::ClampValues(x_, head_dim_ * width_);
  }
  if (bfloat16_) kernels::PairRows(values_, value_stride_, count_, value_stride_, value_pairs_, value_stride_);

  // The token's own exponent: its whole part moves exponents exactly, however large the norm.
  std::fill_n(own_fraction_, width_, 0.0f);
  std::fill_n(fraction_, width_, 0.0f);
  std::fill_n(whole_, width_, 0.0f);
  if (map_->key_norm_factor() != 0) {
    const float factor = transform == nullptr ? map_->key_norm_factor() : 1.0f;
    if (transform == nullptr) {
      kernels::SquaredNorms(x_, head_dim_, width_, fraction_);
    } else {
      kernels::WeightedSquaredNorms(x_, transform->norm_factors, head_dim_, width_, fraction_);
    }
    for (int64_t t = 0; t < width_; ++t) {
      const float exponent = fraction_[t] * factor;
      whole_[t] = std::nearbyint(exponent);
      fraction_[t] = exponent - whole_[t];
    }
  }
  std::fill(whole_ + count_, whole_ + width_, kernels::kNoExponent);
  mapped_ = has_sums_ = false;
  return absl::OkStatus();
}

void KeyTile::MapFeatures(Block block) {
  if (mapped_) return;
  if (fused_) {
    // From the fraction up, as the fused kernel does: the same bits.
    map_->projector(key_head_)
        .Slice(block.begin, block.rows())
        .Project(x_, width_, kernels::Padded(count_), fraction_, features_);
  } else {
    map_->Map(key_head_, x_, features_);
  }
  mapped_ = true;
}

bool KeyTile::WeighFused(Block block, HeadState* state) {
  mapped_ = false;
  has_sums_ = kernels::ProjectKeyWeights(map_->projector(key_head_).Slice(block.begin, block.rows()), x_, width_,
                                         kernels::Padded(count_), fraction_, whole_, state->maxima + block.begin,
                                         features_, row_sums_);
  return has_sums_;
}

void KeyTile::WeighMapped(Block block, const HeadState& state) {
  MapFeatures(block);
  mapped_ = has_sums_ = false;
  if (map_->exponential()) {
    kernels::KeyWeights(features_, block.rows(), width_, kernels::Padded(count_), own_fraction_, whole_,
                        state.maxima + block.begin, excess_);
  } else if (map_->key_norm_factor() != 0) {
    // Features of a valued map share the token's exponent, so all maxima are equal.
    for (int64_t t = 0; t < kTile; ++t) excess_[t] = whole_[t] - state.maxima[0];
    kernels::TokenFactors(fraction_, whole_, state.maxima[0], factor_);
    kernels::ScaleColumns(features_, block.rows(), factor_);
  } else {
    std::fill_n(excess_, width_, 0.0f);
  }
}

bool KeyTile::WeighAll(HeadState* state) {
  if (fused_) return WeighFused(All(), state);
  if (state->count == 0) RaiseMaxima(0, 1, /*rise=*/0, state);
  WeighMapped(All(), *state);
  return LoudToken(0) == count_;
}

void KeyTile::Weigh(const HeadState& state) { WeighMapped(All(), state); }

int64_t KeyTile::LoudToken(int64_t begin) const {
  while (begin < count_ && excess_[begin] <= kernels::kMaxRise) ++begin;
  return begin;
}

void KeyTile::RaiseMaxima(Block block, int64_t begin, int64_t end, float rise, HeadState* state) {
  MapFeatures(block);
  float* maxima = state->maxima + block.begin;
  if (map_->exponential()) {
    kernels::RaiseMaxima(features_, block.rows(), width_, begin, end, own_fraction_, whole_, rise, maxima, shift_);
  } else {
    const float largest = *std::max_element(whole_ + begin, whole_ + end);
    const float before = state->maxima[0];
    const float after = largest - before > rise ? largest : before;
    std::fill_n(shift_, block.rows(), before - after);
    std::fill_n(maxima, block.rows(), after);
  }
  state->Shift(block.begin, block.end, shift_);
}

void KeyTile::RaiseMaxima(int64_t begin, int64_t end, float rise, HeadState* state) {
  RaiseMaxima(All(), begin, end, rise, state);
}

void KeyTile::AddWeights(Block block, int64_t begin, int64_t end, HeadState* state) const {
  float* sums = state->key_sums + block.begin;
  float* compensation = state->key_compensation + block.begin;
  if (has_sums_ && begin == 0 && end == count_) {
    kernels::AddCompensated(row_sums_, block.rows(), sums, compensation);
  } else {
    kernels::AddRowSums(features_, block.rows(), width_, begin, end, sums, compensation);
  }
}

void KeyTile::FoldValues(Block block, int64_t begin, int64_t end, HeadState* state) const {
  AddWeights(block, begin, end, state);
  float* value_sums = state->value_sums + block.begin * value_stride_;
  float* value_compensation = state->value_compensation + block.begin * value_stride_;
  ++state->version;
  // A block of a causal tile that starts or ends in the middle of a pair of keys is rare.
  if (bfloat16_ && begin % 2 == 0 && (end % 2 == 0 || end == count_)) {
    const int64_t num_pairs = kernels::NumPairs(end - begin), pair_stride = width_ / 2;
    kernels::PairColumns(features_ + begin, width_, block.rows(), 2 * num_pairs, weight_pairs_, pair_stride);
    kernels::CompensatedMatMulPairs({weight_pairs_, pair_stride, 1},
                                    {value_pairs_ + begin / 2 * value_stride_, value_stride_}, value_sums,
                                    value_compensation, value_stride_, block.rows(), num_pairs, value_stride_);
    return;
  }
  kernels::CompensatedMatMul({features_ + begin, width_, 1}, {values_ + begin * value_stride_, value_stride_},
                             value_sums, value_compensation, value_stride_, block.rows(), end - begin, value_stride_);
}

void KeyTile::Count(int64_t begin, int64_t end, HeadState* state) const {
  kernels::AddColumnSums(values_ + begin * value_stride_, end - begin, value_stride_, state->total,
                         state->total_compensation);
  state->count += end - begin;
}

void KeyTile::Fold(int64_t begin, int64_t end, HeadState* state) const {
  FoldValues(All(), begin, end, state);
  Count(begin, end, state);
}

void KeyTile::WeighBlock(Block block, HeadState* state) {
  const bool first = state->count == 0;
  bool weighed = fused_ && WeighFused(block, state);
  if (!weighed && !first && !fused_) {
    WeighMapped(block, *state);
    weighed = LoudToken(0) == count_;
  }
  if (!weighed) {
    RaiseMaxima(block, 0, count_, first ? 0 : kernels::kMaxRise, state);
    WeighMapped(block, *state);
  }
}

void KeyTile::FoldInto(HeadState* state) {
  for (int64_t begin = 0; begin < map_->num_features(); begin += block_rows_) {
    if (begin > 0) mapped_ = false;
    const Block block{begin, std::min(begin + block_rows_, map_->num_features())};
    WeighBlock(block, state);
    FoldValues(block, 0, count_, state);
  }
  Count(0, count_, state);
}

void KeyTile::WeighInto(HeadState* state) {
  WeighBlock(All(), state);
  AddWeights(All(), 0, count_, state);
  state->count += count_;
}

void KeyTile::RaiseStabiliser(HeadState* state) {
  MapFeatures(All());
  std::fill_n(stabilisers_, kTile, state->stabiliser);
  kernels::ColumnMaxima(features_, map_->num_features(), stabilisers_);
  for (int64_t t = 1; t < kTile; ++t) {
    stabilisers_[t] = t < count_ ? std::max(stabilisers_[t], stabilisers_[t - 1]) : stabilisers_[t - 1];
  }
  state->stabiliser = stabilisers_[kTile - 1];
}

}  // namespace favor::internal
