#include "favor/attention/head_state.h"

#include <algorithm>
#include <cstring>

#include "favor/kernels/sums.h"
#include "favor/kernels/tile.h"

namespace favor {
namespace {

// Of -0 and 0, which compare equal, 0: so neither comes first.
float Larger(float a, float b) { return std::max(a, b) + 0.0f; }

}  // namespace

HeadState::HeadState(int64_t num_features, int64_t value_dim, internal::ScratchLayout* layout)
    : num_features_(num_features), value_dim_(value_dim), value_stride_(kernels::Padded(value_dim)) {
  maxima = layout->Take(num_features);
  key_sums = layout->Take(num_features);
  key_compensation = layout->Take(num_features);
  value_sums = layout->Take(num_features * value_stride_);
  value_compensation = layout->Take(num_features * value_stride_);
  total = layout->Take(value_stride_);
  total_compensation = layout->Take(value_stride_);
}

void HeadState::Clear(bool exponential) {
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

void HeadState::ShiftRow(int64_t r, float shift) {
  if (shift == 0) return;
  kernels::ScaleRow(value_sums + r * value_stride_, value_stride_, shift);
  kernels::ScaleRow(value_compensation + r * value_stride_, value_stride_, shift);
  alignas(64) float row[kernels::kPad] = {key_sums[r], key_compensation[r]};
  kernels::ScaleRow(row, kernels::kPad, shift);
  key_sums[r] = row[0];
  key_compensation[r] = row[1];
}

void HeadState::Shift(int64_t begin, int64_t end, const float* shift) {
  for (int64_t r = begin; r < end; ++r) ShiftRow(r, shift[r - begin]);
}

void HeadState::Append(HeadState* other) {
  for (int64_t r = 0; r < num_features_; ++r) {
    const float maximum = std::max(maxima[r], other->maxima[r]);
    ShiftRow(r, maxima[r] - maximum);
    other->ShiftRow(r, other->maxima[r] - maximum);
    maxima[r] = other->maxima[r] = maximum;
  }
  kernels::AppendCompensated(other->key_sums, other->key_compensation, num_features_, key_sums, key_compensation);
  kernels::AppendCompensated(other->value_sums, other->value_compensation, num_features_ * value_stride_, value_sums,
                             value_compensation);
  kernels::AppendCompensated(other->total, other->total_compensation, value_stride_, total, total_compensation);
  count += other->count;
  ++version;
  stabiliser = std::max(stabiliser, other->stabiliser);
}

void HeadState::MergeFeatures(const HeadState& other, int64_t begin, int64_t end) {
  ++version;
  if (other.count == 0) return;
  if (count == 0) return CopyFeatures(other, begin, end - begin, begin);
  for (int64_t r = begin; r < end; ++r) {
    const float maximum = Larger(maxima[r], other.maxima[r]);
    const float shift = maxima[r] - maximum, other_shift = other.maxima[r] - maximum;
    alignas(64) float sum[kernels::kPad] = {key_sums[r]}, compensation[kernels::kPad] = {key_compensation[r]};
    alignas(64) const float other_sum[kernels::kPad] = {other.key_sums[r]};
    alignas(64) const float other_compensation[kernels::kPad] = {other.key_compensation[r]};
    kernels::MergeCompensated(other_sum, other_compensation, kernels::kPad, other_shift, sum, compensation, shift);
    key_sums[r] = sum[0];
    key_compensation[r] = compensation[0];
    kernels::MergeCompensated(other.value_sums + r * value_stride_, other.value_compensation + r * value_stride_,
                              value_stride_, other_shift, value_sums + r * value_stride_,
                              value_compensation + r * value_stride_, shift);
    maxima[r] = maximum;
  }
}

void HeadState::MergeTotals(const HeadState& other) {
  if (other.count == 0) return;
  if (count == 0) return CopyTotals(other);
  kernels::MergeCompensated(other.total, other.total_compensation, value_stride_, 0, total, total_compensation, 0);
  count += other.count;
  stabiliser = Larger(stabiliser, other.stabiliser);
}

void HeadState::CopyFeatures(const HeadState& from, int64_t begin, int64_t count, int64_t to) {
  ++version;
  std::copy_n(from.maxima + begin, count, maxima + to);
  std::copy_n(from.key_sums + begin, count, key_sums + to);
  std::copy_n(from.key_compensation + begin, count, key_compensation + to);
  std::copy_n(from.value_sums + begin * value_stride_, count * value_stride_, value_sums + to * value_stride_);
  std::copy_n(from.value_compensation + begin * value_stride_, count * value_stride_,
              value_compensation + to * value_stride_);
}

void HeadState::CopyTotals(const HeadState& from) {
  count = from.count;
  stabiliser = from.stabiliser;
  std::copy_n(from.total, value_stride_, total);
  std::copy_n(from.total_compensation, value_stride_, total_compensation);
}

void HeadState::Normalise() {
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
