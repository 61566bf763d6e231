#ifndef FAVOR_ATTENTION_RELATIVE_BIAS_H_
#define FAVOR_ATTENTION_RELATIVE_BIAS_H_

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "favor/base/aligned_buffer.h"

namespace favor {

// What exact attention adds to a score by how far the key stands behind its query (Shaw et al. 2018, Raffel et al.
// 2020): out_i = softmax_j(scale q_i.k_j + bias(head, j - i)) v_j. Immutable and thread-safe.
class RelativeBias {
 public:
  // Of sequences up to max_length. bias(head, distance) is asked for every |distance| < max_length; it is finite and
  // far from 1e30. ResourceExhaustedError when there is no memory.
  static absl::StatusOr<RelativeBias> Create(int64_t num_heads, int64_t max_length,
                                             absl::FunctionRef<float(int64_t head, int64_t distance)> bias);

  int64_t num_heads() const { return num_heads_; }
  int64_t max_length() const { return max_length_; }
  int64_t num_bytes() const { return table_.size() * static_cast<int64_t>(sizeof(float)); }

  // log2(e) times the bias of this distance, those of the next distances behind it; zeros after the last one, so that
  // kPad more than there are may be read.
  const float* At(int64_t head, int64_t distance) const {
    return table_.data() + head * stride_ + max_length_ - 1 + distance;
  }

 private:
  RelativeBias() = default;

  int64_t num_heads_ = 0;
  int64_t max_length_ = 0;
  int64_t stride_ = 0;
  AlignedBuffer<float> table_;  // [num_heads][stride_]
};

}  // namespace favor

#endif  // FAVOR_ATTENTION_RELATIVE_BIAS_H_
