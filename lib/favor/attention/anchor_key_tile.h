#ifndef FAVOR_ATTENTION_ANCHOR_KEY_TILE_H_
#define FAVOR_ATTENTION_ANCHOR_KEY_TILE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "favor/attention/anchor_state.h"
#include "favor/attention/key_tile.h"
#include "favor/attention/scratch.h"
#include "favor/feature_map/anchor_set.h"
#include "favor/kernels/pack.h"
#include "favor/kernels/tile.h"

namespace favor::internal {

// A tile of keys with their values, on their way into an AnchorState. Thread-compatible.
class AnchorKeyTile {
 public:
  static constexpr int64_t kWidth = kernels::kFoldTile;  // keys at most

  AnchorKeyTile(const FeatureSpec& spec, int64_t head_dim, int64_t value_dim, ScratchLayout* layout);

  // Packs rows of keys and values, as KeyTile::Load does.
  absl::Status Load(const AnchorSet& anchors, const kernels::Rows& keys, const kernels::Rows& values,
                    const KeyTile::Origin& where);

  // Adds all keys to the state, raising its maxima as needed. Flops 2De + 4d + 2e a key and anchor, with D coordinates
  // and pairs of directions.
  void FoldInto(const AnchorSet::Head& anchors, AnchorState* state);

 private:
  void MakePairs(const AnchorSet::Head& anchors);
  void Weigh(const AnchorSet::Head& anchors, AnchorState* state);
  void FoldProducts(int64_t c, AnchorState* state);

  int64_t head_dim_, value_stride_, key_stride_;
  int64_t count_ = 0;
  float* values_;    // [kWidth][value_stride]
  float* keys_;      // [kWidth][key_stride]: y
  float* y_;         // [head_dim + pairs][kWidth]: coordinates, then products of two directions
  float* z_;         // [PanelRowCount(num_directions)][kWidth]: coordinates in the directions
  float* weights_;   // [PanelRowCount(num_anchors)][kWidth]
  float* weighted_;  // [kBlockRows][kWidth]: rows of y_ times weights
  float* row_sums_;  // [num_anchors]
  float* shift_;     // [num_anchors]
  float* excess_;    // [kWidth]
  float* zeros_;     // [kWidth]
  float* visible_;   // [kWidth]: 0, or kNoExponent past the last key
};

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_ANCHOR_KEY_TILE_H_
