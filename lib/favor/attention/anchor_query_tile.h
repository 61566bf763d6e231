#ifndef FAVOR_ATTENTION_ANCHOR_QUERY_TILE_H_
#define FAVOR_ATTENTION_ANCHOR_QUERY_TILE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "favor/attention/anchor_state.h"
#include "favor/attention/query_tile.h"
#include "favor/attention/scratch.h"
#include "favor/feature_map/anchor_set.h"
#include "favor/kernels/jackknife.h"
#include "favor/kernels/pack.h"
#include "favor/kernels/tile.h"

namespace favor::internal {

// A tile of queries, on their way to outputs. Those of one anchor are read together. Thread-compatible.
class AnchorQueryTile {
 public:
  static constexpr int64_t kWidth = kernels::kFoldTile;  // queries at most

  AnchorQueryTile(const FeatureSpec& spec, int64_t head_dim, int64_t value_dim, ScratchLayout* layout);

  // Packs rows of queries, as QueryTile::Load does, and finds the anchor that each is nearest to.
  absl::Status Load(const AnchorSet& anchors, const kernels::Rows& queries, const QueryTile::Origin& where);

  // What is beyond E_w[v] at the anchor in every output, of a finished state: rows [first, last) of its products. Of
  // first order are head_dim of them, of second order the others. Flops 2e (last - first) a query.
  void Read(const AnchorState& state, int64_t first, int64_t last);
  const float* at_anchor(int64_t t, const AnchorState& state) const {
    return state.values + nearest_[t] * value_stride_;
  }
  const float* beyond(int64_t t) const { return sums_ + slot_[t] * value_stride_; }

  // Writes the sum of that and of E_w[v] to rows of the output. Returns how many rows became zeros since they are not
  // finite.
  int64_t Store(const AnchorState& state, const kernels::MutableRows& out);

  // What is known of every row without computing it exactly, after Store(): the error of first-order softmax grows with
  // the square of the distance from the anchor.
  void Moments(kernels::RowMoments* moments) const;

 private:
  void Assign(const AnchorSet::Head& anchors);
  void MakePairs(const AnchorSet::Head& anchors);

  int64_t head_dim_, value_stride_, stride_;
  int64_t factor_stride_;
  int64_t count_ = 0;
  float* rows_;       // [kWidth][stride]
  float* x_;          // [head_dim][kWidth]
  float* scores_;     // [PanelRowCount(num_anchors)][kWidth]
  float* offsets_;    // [kWidth][stride]: x - b, those of one anchor together
  float* directed_;   // [kWidth][Padded(num_directions)]: their coordinates u in the directions
  float* factors_;    // [kWidth][factor_stride]: x - b, then u_a u_b, halves on the diagonal: what products are read by
  float* sums_;       // [kWidth][value_stride], in the same order; after Store() the outputs
  float* ones_;       // [kWidth]
  int32_t* nearest_;  // [kWidth] anchor
  int32_t* slot_;     // [kWidth] place in that order
  int32_t* begin_;    // [num_anchors + 1] where the queries of an anchor begin
};

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_ANCHOR_QUERY_TILE_H_
