#include "favor/attention/key_tile.h"

#include <algorithm>
#include <cmath>

#include "favor/attention/not_finite.h"
#include "favor/kernels/exponential.h"
#include "favor/kernels/matmul.h"
#include "favor/kernels/tile.h"
#include "favor/kernels/value_maps.h"

namespace favor::internal {

using kernels::kTile;

KeyTile::KeyTile(const FeatureMap* map, int64_t head_dim, int64_t value_dim, ScratchLayout* layout)
    : map_(map), head_dim_(head_dim), value_stride_(kernels::Padded(value_dim)) {
  rows_ = layout->Take(kTile * kernels::Padded(head_dim));
  x_ = layout->Take(head_dim * kTile);
  features_ = layout->Take(map->num_features() * kTile);
  values_ = layout->Take(kTile * value_stride_);
  fraction_ = layout->Take(kTile);
  whole_ = layout->Take(kTile);
  excess_ = layout->Take(kTile);
  factor_ = layout->Take(kTile);
  shift_ = layout->Take(map->num_features());
}

absl::Status KeyTile::Load(const kernels::Rows& keys, const kernels::Rows& values, const Origin& where) {
  key_head_ = where.key_head;
  count_ = keys.count;
  const int64_t stride = kernels::Padded(head_dim_);
  int64_t finite = kernels::PackRows(keys, map_->input_multiplier(), /*clamp=*/true, rows_, stride);
  if (finite < count_) return NotFiniteError("keys", keys, finite, where.batch, where.key_head, where.position);
  finite = kernels::PackRows(values, 1.0f, /*clamp=*/false, values_, value_stride_);
  if (finite < count_) return NotFiniteError("values", values, finite, where.batch, where.key_head, where.position);
  kernels::Transpose(rows_, stride, count_, head_dim_, x_);

  // The token's own exponent: its whole part moves exponents exactly, however large the norm.
  std::fill_n(fraction_, kTile, 0.0f);
  std::fill_n(whole_, kTile, 0.0f);
  if (map_->key_norm_factor() != 0) {
    kernels::SquaredNorms(x_, head_dim_, fraction_);
    for (int64_t t = 0; t < kTile; ++t) {
      const float exponent = fraction_[t] * map_->key_norm_factor();
      whole_[t] = std::nearbyint(exponent);
      fraction_[t] = exponent - whole_[t];
    }
  }
  std::fill(whole_ + count_, whole_ + kTile, kernels::kNoExponent);
  weighed_ = true;
  MapFeatures();
  return absl::OkStatus();
}

void KeyTile::MapFeatures() {
  if (weighed_) map_->Map(key_head_, x_, features_);
  weighed_ = false;
}

void KeyTile::Weigh(const AttentionState& state) {
  MapFeatures();
  weighed_ = true;
  if (map_->exponential()) {
    kernels::KeyWeights(features_, map_->num_features(), fraction_, whole_, state.maxima, excess_);
  } else if (map_->key_norm_factor() != 0) {
    // Features of a valued map share the token's exponent, so all maxima are equal.
    for (int64_t t = 0; t < kTile; ++t) excess_[t] = whole_[t] - state.maxima[0];
    kernels::TokenFactors(fraction_, whole_, state.maxima[0], factor_);
    kernels::ScaleColumns(features_, map_->num_features(), factor_);
  } else {
    std::fill_n(excess_, kTile, 0.0f);
  }
}

int64_t KeyTile::LoudToken(int64_t begin) const {
  while (begin < count_ && excess_[begin] <= kernels::kMaxRise) ++begin;
  return begin;
}

void KeyTile::RaiseMaxima(int64_t begin, int64_t end, float rise, AttentionState* state) {
  MapFeatures();
  if (map_->exponential()) {
    kernels::RaiseMaxima(features_, map_->num_features(), begin, end, fraction_, whole_, rise, state->maxima, shift_);
  } else {
    const float largest = *std::max_element(whole_ + begin, whole_ + end);
    const float before = state->maxima[0];
    const float after = largest - before > rise ? largest : before;
    std::fill_n(shift_, map_->num_features(), before - after);
    std::fill_n(state->maxima, map_->num_features(), after);
  }
  state->Shift(shift_);
}

void KeyTile::Fold(int64_t begin, int64_t end, AttentionState* state) const {
  const int64_t rows = map_->num_features();
  kernels::AddRowSums(features_, rows, begin, end, state->key_sums, state->key_compensation);
  kernels::CompensatedMatMul({features_ + begin, kTile, 1}, {values_ + begin * value_stride_, value_stride_},
                             state->value_sums, state->value_compensation, value_stride_, rows, end - begin,
                             value_stride_);
  for (int64_t n = 0; n < value_stride_; ++n) {
    float sum = 0;
    for (int64_t t = begin; t < end; ++t) sum += values_[t * value_stride_ + n];
    CompensatedAdd(sum, state->total + n, state->total_compensation + n);
  }
  state->count += end - begin;
}

void KeyTile::RaiseStabiliser(AttentionState* state) {
  alignas(64) float largest[kTile];
  std::fill_n(largest, kTile, state->stabiliser);
  kernels::ColumnMaxima(features_, map_->num_features(), largest);
  state->stabiliser = *std::max_element(largest, largest + count_);
}

}  // namespace favor::internal
