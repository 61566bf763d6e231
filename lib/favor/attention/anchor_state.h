#ifndef FAVOR_ATTENTION_ANCHOR_STATE_H_
#define FAVOR_ATTENTION_ANCHOR_STATE_H_

#include <cstdint>

#include "favor/attention/scratch.h"
#include "favor/feature_map/anchor_set.h"
#include "favor/feature_map/feature_spec.h"

namespace favor::internal {

// What first-order softmax remembers of the keys y_j and values v_j of one head, at every anchor b, with
// w_j = 2^(u_j - M), u_j = log2(e) b.y_j and M a whole number near its running maximum:
//   Z = sum_j w_j,   V = sum_j w_j v_j,   Y = sum_j w_j y_j,   P_l = sum_j w_j y_jl v_j for each coordinate l,
// and with coordinates z_j of a key in directions of second order, for each pair of them,
//   Q_ab = sum_j w_j z_ja z_jb,   P_ab = sum_j w_j z_ja z_jb v_j.
// Sums carry Kahan compensation, and rescaling is an exact exponent shift, as in HeadState. The memory belongs to the
// scratch it was laid out in. Thread-compatible.
class AnchorState {
 public:
  AnchorState(const FeatureSpec& spec, int64_t head_dim, int64_t value_dim, ScratchLayout* layout);

  int64_t head_dim() const { return head_dim_; }
  int64_t value_stride() const { return value_stride_; }
  int64_t key_stride() const { return key_stride_; }
  int64_t pair_stride() const { return pair_stride_; }
  // Rows of products of an anchor: head_dim of first order, then pairs (a, a), (a, a + 1) ... of second order.
  int64_t num_products() const { return num_products_; }
  float* product(int64_t c, int64_t row) { return products + (c * num_products_ + row) * value_stride_; }
  const float* product(int64_t c, int64_t row) const { return products + (c * num_products_ + row) * value_stride_; }

  // Empties the state, which then has this many anchors.
  void Clear(int64_t num_anchors);

  int64_t num_anchors() const { return num_anchors_; }

  // Scales the sums of anchor c by 2^shift.
  void Shift(int64_t c, float shift);

  // Adds the keys of `other`, a state about the same anchors, as those of one more tile: for segments of one call, in
  // an order that never changes. Leaves `other` rescaled to the common maxima.
  void Append(AnchorState* other);

  // Turns sums into what is read: V and Y become the means of v and y at the anchor, P_l the covariance of y_l and v,
  // and P_ab the central moment of z_a, z_b and v. `total` becomes the mean of all values. An anchor has weight: its
  // nearest key weighs 1/2 at least. Zeros where there is no key.
  void Finish(const AnchorSet::Head& anchors);

  // After Finish(). The parts of an output are weighed: what a query at anchor b is answered,
  //   mean V + at_anchor (E_w[v] - mean V) + first (x - b)' Cov_w(y, v) + second (term of second order),
  // becomes a sum without weights again.
  void Weigh(float at_anchor, float first, float second);

  int64_t count = 0;                      // keys folded
  float* maxima = nullptr;                // M [num_anchors]
  float* weights = nullptr;               // Z [num_anchors]
  float* weight_compensation = nullptr;   // [num_anchors]
  float* values = nullptr;                // V [num_anchors][value_stride]
  float* value_compensation = nullptr;    // [num_anchors][value_stride]
  float* keys = nullptr;                  // Y [num_anchors][key_stride]
  float* key_compensation = nullptr;      // [num_anchors][key_stride]
  float* pairs = nullptr;                 // Q [num_anchors][pair_stride]
  float* pair_compensation = nullptr;     // [num_anchors][pair_stride]
  float* products = nullptr;              // P [num_anchors][num_products][value_stride]
  float* product_compensation = nullptr;  // [num_anchors][num_products][value_stride]
  float* total = nullptr;                 // sum of all values [value_stride]
  float* total_compensation = nullptr;    // [value_stride]

 private:
  int64_t products_size() const { return num_products_ * value_stride_; }
  void FinishPairs(int64_t c, const AnchorSet::Head& anchors);

  int64_t num_anchors_ = 0;
  int64_t head_dim_, value_stride_, key_stride_, num_products_, pair_stride_;
  float* direction_products_;  // [num_directions][value_stride], while finishing
};

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_ANCHOR_STATE_H_
