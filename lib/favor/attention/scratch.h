#ifndef FAVOR_ATTENTION_SCRATCH_H_
#define FAVOR_ATTENTION_SCRATCH_H_

#include <cstdint>

#include "favor/kernels/tile.h"

namespace favor::internal {

// Hands out pieces of one float array, each starting at a cache line. Over a null base it only counts, so that the same
// constructor both measures a workspace and lays it out.
class ScratchLayout {
 public:
  explicit ScratchLayout(float* base = nullptr) : base_(base) {}

  float* Take(int64_t count) {
    float* piece = base_ == nullptr ? nullptr : base_ + size_;
    size_ += kernels::Padded(count);
    return piece;
  }

  // The same, for pairs of bfloat16.
  uint32_t* TakePairs(int64_t count) { return reinterpret_cast<uint32_t*>(Take(count)); }

  int64_t size() const { return size_; }  // floats

 private:
  float* base_;
  int64_t size_ = 0;
};

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_SCRATCH_H_
