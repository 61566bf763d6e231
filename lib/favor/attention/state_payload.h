#ifndef FAVOR_ATTENTION_STATE_PAYLOAD_H_
#define FAVOR_ATTENTION_STATE_PAYLOAD_H_

#include <cstdint>

#include "absl/status/status.h"
#include "favor/attention/attention_state.h"
#include "favor/attention/state_codec.h"

namespace favor::internal {

// Where the numbers of one head lie in its part of a payload, as bytes from its beginning: docs/attention_state.md.
class HeadLayout {
 public:
  // Sizes must be within StatePayloadBytes()'s bounds.
  HeadLayout(int64_t num_features, int64_t value_dim, StateEncoding encoding);

  bool compensated() const { return compensated_; }
  int64_t sum_bytes() const { return sum_bytes_; }  // of one sum

  int64_t stabiliser() const { return 0; }
  int64_t maximum(int64_t r) const { return 4 + 4 * r; }
  int64_t key_sum(int64_t r) const { return maximum(num_features_) + sum_bytes_ * r; }
  int64_t value_sums(int64_t r) const { return key_sum(num_features_) + sum_bytes_ * r * value_dim_; }
  int64_t total() const { return value_sums(num_features_); }
  int64_t sums_end() const { return total() + sum_bytes_ * value_dim_; }
  int64_t key_compensation(int64_t r) const { return sums_end() + 4 * r; }
  int64_t value_compensation(int64_t r) const { return key_compensation(num_features_) + 4 * r * value_dim_; }
  int64_t total_compensation() const { return value_compensation(num_features_); }
  // Bytes of a head.
  int64_t size() const { return compensated_ ? total_compensation() + 4 * value_dim_ : sums_end(); }

 private:
  int64_t num_features_, value_dim_;
  int64_t sum_bytes_;
  bool compensated_;
};

// Writes features [begin, end) of a head, or the rest of it, to the head's part of a payload. InvalidArgumentError
// naming the sum when one is not finite; `where` names the head.
absl::Status PutFeatures(const HeadState& state, const HeadLayout& layout, int64_t begin, int64_t end,
                         absl::string_view where, char* bytes);
absl::Status PutTotals(const HeadState& state, const HeadLayout& layout, absl::string_view where, char* bytes);

// Reads them back, and checks that they can be those of `num_keys` keys; InvalidArgumentError naming the place.
struct HeadChecks {
  FeatureExponents exponents;
  bool has_stabiliser;  // epsilon parity of a softmax kernel
  int64_t num_keys;
};
absl::Status TakeFeatures(const char* bytes, const HeadLayout& layout, int64_t begin, int64_t end,
                          const HeadChecks& checks, absl::string_view where, HeadState* state);
absl::Status TakeTotals(const char* bytes, const HeadLayout& layout, const HeadChecks& checks, absl::string_view where,
                        HeadState* state);

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_STATE_PAYLOAD_H_
