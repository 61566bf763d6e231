#ifndef FAVOR_MODEL_POOLING_H_
#define FAVOR_MODEL_POOLING_H_

#include <array>
#include <cstdint>

namespace favor {

// Which token vectors become the embedding.
enum class Pooling : uint8_t {
  kMean,
  kCls,           // the first
  kLast,          // the last
  kMax,           // coordinate by coordinate
  kNone,          // all of them
  kWeightedMean,  // token i of a window weighed by i, from 1
  kMeanSqrtLen,   // their sum, divided by the square root of their number
};

// One pooling, or several whose vectors stand one behind the other. A value.
class Poolings {
 public:
  using value_type = Pooling;
  using const_iterator = const Pooling*;

  static constexpr int kMost = 6;  // each but kNone once

  Poolings(Pooling one) { Append(one); }  // NOLINT: as if it were the pooling
  Poolings() = default;                   // none yet

  // When size() < kMost.
  void Append(Pooling pooling) { list_[size_++] = pooling; }
  int64_t size() const { return size_; }
  const_iterator begin() const { return list_.data(); }
  const_iterator end() const { return list_.data() + size_; }

  friend bool operator==(const Poolings&, const Poolings&) = default;

 private:
  std::array<Pooling, kMost> list_ = {};
  uint8_t size_ = 0;
};

// Scales a vector to length 1, in double; a zero vector stays.
void Normalize(float* vector, int64_t dimensions);

}  // namespace favor

#endif  // FAVOR_MODEL_POOLING_H_
