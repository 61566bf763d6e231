#include "favor/model/window_pool.h"

#include <algorithm>
#include <cmath>

namespace favor::internal {

WindowPool::WindowPool(Pooling pooling, const float* vectors, int64_t num_tokens, int64_t stride, int64_t dimensions,
                       float* output)
    : pooling_(pooling),
      vectors_(vectors),
      num_tokens_(num_tokens),
      stride_(stride),
      dimensions_(dimensions),
      output_(output) {}

void WindowPool::Take(int64_t begin, int64_t end) {
  switch (pooling_) {
    case Pooling::kMean:
    case Pooling::kWeightedMean:
    case Pooling::kMeanSqrtLen:
      return Add(begin, end);
    case Pooling::kMax:
      return Raise(begin, end);
    case Pooling::kCls:
      if (begin == 0) Copy(0);
      return;
    case Pooling::kLast:
      if (end == num_tokens_) Copy(num_tokens_ - 1);
      return;
    case Pooling::kNone:  // is no pooling
      return;
  }
}

void WindowPool::Add(int64_t begin, int64_t end) {
  if (begin == 0) sums_.assign(dimensions_, 0);
  for (int64_t t = begin; t < end; ++t) {
    const float* vector = vectors_ + t * stride_;
    const double weight = pooling_ == Pooling::kWeightedMean ? static_cast<double>(t + 1) : 1;
    for (int64_t d = 0; d < dimensions_; ++d) sums_[d] += weight * vector[d];
  }
  if (end < num_tokens_) return;
  for (int64_t d = 0; d < dimensions_; ++d) output_[d] = static_cast<float>(sums_[d] / Divisor());
  sums_ = {};
}

double WindowPool::Divisor() const {
  const double n = static_cast<double>(num_tokens_);
  if (pooling_ == Pooling::kWeightedMean) return n * (n + 1) / 2;
  return pooling_ == Pooling::kMeanSqrtLen ? std::sqrt(n) : n;
}

void WindowPool::Raise(int64_t begin, int64_t end) {
  if (begin == 0) Copy(0);
  for (int64_t t = begin; t < end; ++t) {
    const float* vector = vectors_ + t * stride_;
    for (int64_t d = 0; d < dimensions_; ++d) output_[d] = std::max(output_[d], vector[d]);
  }
}

void WindowPool::Copy(int64_t token) { std::copy_n(vectors_ + token * stride_, dimensions_, output_); }

}  // namespace favor::internal
