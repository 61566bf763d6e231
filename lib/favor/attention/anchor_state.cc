#include "favor/attention/anchor_state.h"

#include <algorithm>
#include <numeric>

#include "favor/kernels/anchors.h"
#include "favor/kernels/matmul.h"
#include "favor/kernels/sums.h"
#include "favor/kernels/tile.h"

namespace favor::internal {

AnchorState::AnchorState(const FeatureSpec& spec, int64_t head_dim, int64_t value_dim, ScratchLayout* layout)
    : num_anchors_(spec.num_anchors),
      head_dim_(head_dim),
      value_stride_(kernels::Padded(value_dim)),
      key_stride_(kernels::Padded(head_dim)) {
  const int64_t num_anchors = spec.num_anchors, num_directions = std::min(spec.num_directions, head_dim);
  num_products_ = head_dim + NumPairs(num_directions);
  pair_stride_ = kernels::Padded(NumPairs(num_directions));
  maxima = layout->Take(num_anchors);
  weights = layout->Take(num_anchors);
  weight_compensation = layout->Take(num_anchors);
  values = layout->Take(num_anchors * value_stride_);
  value_compensation = layout->Take(num_anchors * value_stride_);
  keys = layout->Take(num_anchors * key_stride_);
  key_compensation = layout->Take(num_anchors * key_stride_);
  pairs = layout->Take(num_anchors * pair_stride_);
  pair_compensation = layout->Take(num_anchors * pair_stride_);
  direction_products_ = layout->Take(num_directions * value_stride_);
  products = layout->Take(num_anchors * products_size());
  product_compensation = layout->Take(num_anchors * products_size());
  total = layout->Take(value_stride_);
  total_compensation = layout->Take(value_stride_);
}

void AnchorState::Clear(int64_t num_anchors) {
  num_anchors_ = num_anchors;
  count = 0;
  std::fill_n(maxima, num_anchors, kernels::kNoExponent);
  std::fill_n(weights, num_anchors, 0.0f);
  std::fill_n(weight_compensation, num_anchors, 0.0f);
  std::fill_n(values, num_anchors * value_stride_, 0.0f);
  std::fill_n(value_compensation, num_anchors * value_stride_, 0.0f);
  std::fill_n(keys, num_anchors * key_stride_, 0.0f);
  std::fill_n(key_compensation, num_anchors * key_stride_, 0.0f);
  std::fill_n(pairs, num_anchors * pair_stride_, 0.0f);
  std::fill_n(pair_compensation, num_anchors * pair_stride_, 0.0f);
  std::fill_n(products, num_anchors * products_size(), 0.0f);
  std::fill_n(product_compensation, num_anchors * products_size(), 0.0f);
  std::fill_n(total, value_stride_, 0.0f);
  std::fill_n(total_compensation, value_stride_, 0.0f);
}

void AnchorState::Shift(int64_t c, float shift) {
  if (shift == 0) return;
  kernels::ScaleRow(values + c * value_stride_, value_stride_, shift);
  kernels::ScaleRow(value_compensation + c * value_stride_, value_stride_, shift);
  kernels::ScaleRow(keys + c * key_stride_, key_stride_, shift);
  kernels::ScaleRow(key_compensation + c * key_stride_, key_stride_, shift);
  kernels::ScaleRow(pairs + c * pair_stride_, pair_stride_, shift);
  kernels::ScaleRow(pair_compensation + c * pair_stride_, pair_stride_, shift);
  kernels::ScaleRow(products + c * products_size(), products_size(), shift);
  kernels::ScaleRow(product_compensation + c * products_size(), products_size(), shift);
  alignas(64) float pair[kernels::kPad] = {weights[c], weight_compensation[c]};
  kernels::ScaleRow(pair, kernels::kPad, shift);
  weights[c] = pair[0];
  weight_compensation[c] = pair[1];
}

void AnchorState::Append(AnchorState* other) {
  for (int64_t c = 0; c < num_anchors_; ++c) {
    const float maximum = std::max(maxima[c], other->maxima[c]);
    Shift(c, maxima[c] - maximum);
    other->Shift(c, other->maxima[c] - maximum);
    maxima[c] = other->maxima[c] = maximum;
  }
  kernels::AppendCompensated(other->weights, other->weight_compensation, num_anchors_, weights, weight_compensation);
  kernels::AppendCompensated(other->values, other->value_compensation, num_anchors_ * value_stride_, values,
                             value_compensation);
  kernels::AppendCompensated(other->keys, other->key_compensation, num_anchors_ * key_stride_, keys, key_compensation);
  kernels::AppendCompensated(other->pairs, other->pair_compensation, num_anchors_ * pair_stride_, pairs,
                             pair_compensation);
  kernels::AppendCompensated(other->products, other->product_compensation, num_anchors_ * products_size(), products,
                             product_compensation);
  kernels::AppendCompensated(other->total, other->total_compensation, value_stride_, total, total_compensation);
  count += other->count;
}

void AnchorState::Finish(const AnchorSet::Head& anchors) {
  if (count == 0) return;
  const auto mean = [](float* sums, const float* compensation, int64_t size, float weight) {
    for (int64_t n = 0; n < size; ++n) sums[n] = (sums[n] - compensation[n]) / weight;
  };
  mean(total, total_compensation, value_stride_, static_cast<float>(count));
  for (int64_t c = 0; c < num_anchors_; ++c) {
    const float weight = weights[c] - weight_compensation[c];
    mean(values + c * value_stride_, value_compensation + c * value_stride_, value_stride_, weight);
    mean(keys + c * key_stride_, key_compensation + c * key_stride_, key_stride_, weight);
    mean(pairs + c * pair_stride_, pair_compensation + c * pair_stride_, pair_stride_, weight);
    for (int64_t row = 0; row < num_products_; ++row) {
      const int64_t at = (c * num_products_ + row) * value_stride_;
      const float factor = row < head_dim_ ? keys[c * key_stride_ + row] : pairs[c * pair_stride_ + row - head_dim_];
      kernels::CovarianceRow(product_compensation + at, value_stride_, weight, factor, values + c * value_stride_,
                             products + at);
    }
    if (anchors.num_directions > 0) FinishPairs(c, anchors);
  }
}

// E[(z_a - m_a)(z_b - m_b)(v - m)] = Cov(z_a z_b, v) - m_a Cov(z_b, v) - m_b Cov(z_a, v).
void AnchorState::FinishPairs(int64_t c, const AnchorSet::Head& anchors) {
  const int64_t num_directions = anchors.num_directions;
  kernels::MatMul({anchors.key_rows, key_stride_, 1}, {product(c, 0), value_stride_}, direction_products_,
                  value_stride_, num_directions, head_dim_, value_stride_, /*accumulate=*/false);
  float means[kMaxDirections];
  for (int64_t a = 0; a < num_directions; ++a) {
    const float* row = anchors.key_rows + a * key_stride_;
    means[a] = std::inner_product(row, row + head_dim_, keys + c * key_stride_, 0.0f);
  }
  float* moment = product(c, head_dim_);
  for (int64_t a = 0; a < num_directions; ++a) {
    for (int64_t b = a; b < num_directions; ++b, moment += value_stride_) {
      const float *of_a = direction_products_ + a * value_stride_, *of_b = direction_products_ + b * value_stride_;
      for (int64_t n = 0; n < value_stride_; ++n) moment[n] -= means[a] * of_b[n] + means[b] * of_a[n];
    }
  }
}

void AnchorState::Weigh(float at_anchor, float first, float second) {
  for (int64_t c = 0; c < num_anchors_; ++c) {
    float* mean = values + c * value_stride_;
    for (int64_t n = 0; n < value_stride_; ++n) mean[n] = total[n] + at_anchor * (mean[n] - total[n]);
    for (int64_t i = 0; i < head_dim_ * value_stride_; ++i) product(c, 0)[i] *= first;
    for (int64_t i = 0; i < (num_products_ - head_dim_) * value_stride_; ++i) product(c, head_dim_)[i] *= second;
  }
}

}  // namespace favor::internal
