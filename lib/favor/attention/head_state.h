#ifndef FAVOR_ATTENTION_HEAD_STATE_H_
#define FAVOR_ATTENTION_HEAD_STATE_H_

#include <cstdint>

#include "favor/attention/scratch.h"

namespace favor {

// What linear attention remembers of the keys and values of one head, in the log domain: with a_rj the base-2 exponent
// of feature r of key j and M_r a whole number near its running maximum,
//   Z_r = sum_j 2^(a_rj - M_r),   S_r = sum_j 2^(a_rj - M_r) v_j.
// Sums carry Kahan compensation. Rescaling to another M_r is an exact exponent shift, so results do not depend on the
// M_r that happened to be used. The memory belongs to the scratch it was laid out in. Thread-compatible.
class HeadState {
 public:
  HeadState(int64_t num_features, int64_t value_dim, internal::ScratchLayout* layout);

  int64_t num_features() const { return num_features_; }
  int64_t value_dim() const { return value_dim_; }
  int64_t value_stride() const { return value_stride_; }

  // Empties the state. Maxima of valued maps start at 0: their features carry no exponent of their own.
  void Clear(bool exponential);

  // Scales the sums of rows [begin, end) by 2^shift[r - begin].
  void Shift(int64_t begin, int64_t end, const float* shift);

  // Adds the keys of `other`, a state of the same shape, as those of one more tile: for segments of one call, in an
  // order that never changes. Leaves `other` rescaled to the common maxima.
  void Append(HeadState* other);

  // The same for states of any origin, features [begin, end) at a time, then the rest. Commutative bit for bit,
  // compensation terms included, and an empty state is neutral; associative to rounding.
  void MergeFeatures(const HeadState& other, int64_t begin, int64_t end);
  void MergeTotals(const HeadState& other);

  // Copies features [begin, begin + count) of `from` to our features [to, to + count), then the rest.
  void CopyFeatures(const HeadState& from, int64_t begin, int64_t count, int64_t to);
  void CopyTotals(const HeadState& from);

  // Divides every S_r by Z_r: turns the sums into the averages that the bidirectional no_projection map reads.
  void Normalise();

  int64_t count = 0;  // keys folded
  // Differs after every change of the sums, for those who keep something made from them.
  int64_t version = 0;
  // max over keys and features of w_r.k_j in base 2, tracked for epsilon parity only.
  float stabiliser = 0;
  float* maxima = nullptr;              // M [num_features]
  float* key_sums = nullptr;            // Z [num_features]
  float* key_compensation = nullptr;    // [num_features]
  float* value_sums = nullptr;          // S [num_features, value_stride]
  float* value_compensation = nullptr;  // [num_features, value_stride]
  float* total = nullptr;               // sum of v [value_stride]
  float* total_compensation = nullptr;  // [value_stride]

 private:
  void ShiftRow(int64_t r, float shift);

  int64_t num_features_;
  int64_t value_dim_;
  int64_t value_stride_;
};

}  // namespace favor

#endif  // FAVOR_ATTENTION_HEAD_STATE_H_
