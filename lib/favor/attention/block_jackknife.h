#ifndef FAVOR_ATTENTION_BLOCK_JACKKNIFE_H_
#define FAVOR_ATTENTION_BLOCK_JACKKNIFE_H_

#include <algorithm>
#include <cstdint>

#include "favor/attention/scratch.h"
#include "favor/kernels/jackknife.h"
#include "favor/kernels/tile.h"
#include "favor/kernels/value_maps.h"

namespace favor::internal {

// Follows the read of a query tile block of features by block, and says how much its rows would change without one of
// them: which rows random features get wrong, long before anything is computed exactly. Thread-compatible.
class BlockJackknife {
 public:
  static constexpr int64_t kNumBlocks = 2;

  // complete: the blocks are all that rows come to in the end, so that the second is what the first leaves.
  BlockJackknife(int64_t num_features, int64_t value_stride, bool complete, ScratchLayout* layout)
      : num_features_(num_features), stride_(value_stride), complete_(complete) {
    for (int64_t b = 0; b < NumKept(); ++b) sums_[b] = layout->Take(kernels::kTile * stride_);
    denominators_ = layout->Take(kNumBlocks * kernels::kTile);
  }

  // Features [Begin(b), Begin(b + 1)) are block b.
  int64_t Begin(int64_t block) const { return num_features_ * block / kNumBlocks; }

  // The numerators [kTile][value_stride] once block b has been added to those before it, for queries [begin, end).
  void Keep(int64_t block, const float* sums, int64_t begin, int64_t end) {
    if (block >= NumKept()) return;
    std::copy_n(sums + begin * stride_, (end - begin) * stride_, sums_[block] + begin * stride_);
  }

  // Of queries [begin, end), from their weights [num_features][kTile] and what they came to in the end.
  void Moments(const float* weights, const float* key_sums, const float* sums, const float* denominators, int64_t begin,
               int64_t end, kernels::RowMoments* moments) {
    for (int64_t b = 0; b < NumKept(); ++b) {
      const int64_t first = Begin(b);
      kernels::ColumnDots(weights + first * kernels::kTile, Begin(b + 1) - first, key_sums + first,
                          denominators_ + b * kernels::kTile);
    }
    for (int64_t t = begin; complete_ && t < end; ++t) {
      denominators_[kernels::kTile + t] = denominators[t] - denominators_[t];
    }
    kernels::JackknifeMoments({sums_[0], complete_ ? sums : sums_[1], denominators_, stride_}, sums, denominators,
                              begin, end, moments);
  }

 private:
  int64_t NumKept() const { return complete_ ? 1 : kNumBlocks; }

  int64_t num_features_, stride_;
  bool complete_;
  float* sums_[kNumBlocks] = {};  // [kTile][value_stride]
  float* denominators_;           // [kNumBlocks][kTile]
};

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_BLOCK_JACKKNIFE_H_
