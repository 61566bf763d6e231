#ifndef FAVOR_ATTENTION_STRATIFIED_ROWS_H_
#define FAVOR_ATTENTION_STRATIFIED_ROWS_H_

#include <algorithm>
#include <cstdint>

#include "favor/attention/plan_sizes.h"

namespace favor::internal {

// A sample of rows, ascending: one of each of `count` parts, as equal as whole rows allow, of the rows of a sequence.
// Where it lies in its part is a hash of the part's index, the same everywhere: rows at equal steps would see one phase
// of inputs that repeat, such as texts of one length joined, and nothing of all others. (Multiples of the golden ratio
// are as bad at some periods, 44 and 55 among them.)
class StratifiedRows {
 public:
  StratifiedRows() = default;
  // At most `most` (at least 1) of length (below 2^40) rows: all of them where that is enough.
  StratifiedRows(int64_t length, int64_t most) : length_(length), count_(std::min(length, most)) {}
  // As many as steps of whole rows give, so that where not all are taken about half of them at least are not.
  static StratifiedRows InSteps(int64_t length, int64_t most) {
    return StratifiedRows(length, CeilDiv(length, std::max<int64_t>(1, CeilDiv(length, most))));
  }

  int64_t count() const { return count_; }

  // index below count().
  int64_t Row(int64_t index) const {
    const int64_t begin = Begin(index);
    const auto part = static_cast<uint64_t>(std::min<int64_t>(Begin(index + 1) - begin, UINT32_MAX));
    return begin + static_cast<int64_t>(part * Mix(static_cast<uint32_t>(index)) >> 32);
  }

  // Whether a row, below length, is of the sample.
  bool Contains(int64_t row) const {
    int64_t index = row * count_ / length_;
    if (Begin(index + 1) <= row) ++index;
    return Row(index) == row;
  }

 private:
  // The finaliser of MurmurHash3, of multiples of the golden ratio: from 0 on its results are spread like random
  // numbers.
  static uint32_t Mix(uint32_t index) {
    uint32_t bits = (index + 1) * 0x9e3779b9u;
    bits = (bits ^ bits >> 16) * 0x85ebca6bu;
    bits = (bits ^ bits >> 13) * 0xc2b2ae35u;
    return bits ^ bits >> 16;
  }
  int64_t Begin(int64_t index) const { return index * length_ / count_; }

  int64_t length_ = 0, count_ = 0;
};

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_STRATIFIED_ROWS_H_
