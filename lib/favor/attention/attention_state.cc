#include "favor/attention/attention_state.h"

#include <algorithm>
#include <cstring>

#include "favor/kernels/sums.h"
#include "favor/kernels/tile.h"

namespace favor {
namespace {

// Adds n compensated sums to n others: the two compensations are joined first, so nothing of either is lost.
void MergeSums(const float* sums, const float* compensation, int64_t n, float* into, float* into_compensation) {
  for (int64_t i = 0; i < n; ++i) into_compensation[i] += compensation[i];
  kernels::AddCompensated(sums, n, into, into_compensation);
}

}  // namespace

AttentionState::AttentionState(int64_t num_features, int64_t value_dim, internal::ScratchLayout* layout)
    : num_features_(num_features), value_dim_(value_dim), value_stride_(kernels::Padded(value_dim)) {
  maxima = layout->Take(num_features);
  key_sums = layout->Take(num_features);
  key_compensation = layout->Take(num_features);
  value_sums = layout->Take(num_features * value_stride_);
  value_compensation = layout->Take(num_features * value_stride_);
  total = layout->Take(value_stride_);
  total_compensation = layout->Take(value_stride_);
}

void AttentionState::Clear(bool exponential) {
  count = 0;
  ++version;
  stabiliser = kernels::kNoExponent;
  std::fill_n(maxima, num_features_, exponential ? kernels::kNoExponent : 0.0f);
  std::fill_n(key_sums, num_features_, 0.0f);
  std::fill_n(key_compensation, num_features_, 0.0f);
  std::fill_n(value_sums, num_features_ * value_stride_, 0.0f);
  std::fill_n(value_compensation, num_features_ * value_stride_, 0.0f);
  std::fill_n(total, value_stride_, 0.0f);
  std::fill_n(total_compensation, value_stride_, 0.0f);
}

void AttentionState::ShiftRow(int64_t r, float shift) {
  if (shift == 0) return;
  kernels::ScaleRow(value_sums + r * value_stride_, value_stride_, shift);
  kernels::ScaleRow(value_compensation + r * value_stride_, value_stride_, shift);
  alignas(64) float row[kernels::kPad] = {key_sums[r], key_compensation[r]};
  kernels::ScaleRow(row, kernels::kPad, shift);
  key_sums[r] = row[0];
  key_compensation[r] = row[1];
}

void AttentionState::Shift(int64_t begin, int64_t end, const float* shift) {
  for (int64_t r = begin; r < end; ++r) ShiftRow(r, shift[r - begin]);
}

void AttentionState::Merge(AttentionState* other) {
  for (int64_t r = 0; r < num_features_; ++r) {
    const float maximum = std::max(maxima[r], other->maxima[r]);
    ShiftRow(r, maxima[r] - maximum);
    other->ShiftRow(r, other->maxima[r] - maximum);
    maxima[r] = other->maxima[r] = maximum;
  }
  MergeSums(other->key_sums, other->key_compensation, num_features_, key_sums, key_compensation);
  MergeSums(other->value_sums, other->value_compensation, num_features_ * value_stride_, value_sums,
            value_compensation);
  MergeSums(other->total, other->total_compensation, value_stride_, total, total_compensation);
  count += other->count;
  ++version;
  stabiliser = std::max(stabiliser, other->stabiliser);
}

void AttentionState::Normalise() {
  ++version;
  for (int64_t r = 0; r < num_features_; ++r) {
    maxima[r] = 0;
    if (key_sums[r] == 0) continue;
    for (int64_t n = 0; n < value_stride_; ++n) {
      value_sums[r * value_stride_ + n] /= key_sums[r];
      value_compensation[r * value_stride_ + n] = 0;
    }
    key_sums[r] = 1;
    key_compensation[r] = 0;
  }
}

}  // namespace favor
