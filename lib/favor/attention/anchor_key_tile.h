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

  AnchorKeyTile(int64_t num_anchors, int64_t head_dim, int64_t value_dim, ScratchLayout* layout);

  // Packs rows of keys and values, as KeyTile::Load does.
  absl::Status Load(const AnchorSet& anchors, const kernels::Rows& keys, const kernels::Rows& values,
                    const KeyTile::Origin& where);

  // Adds all keys to the state, raising its maxima as needed. Flops 2de + 4d + 2e a key and anchor.
  void FoldInto(const AnchorSet::Head& anchors, AnchorState* state);

 private:
  void Weigh(const AnchorSet::Head& anchors, AnchorState* state);
  void FoldProducts(int64_t c, AnchorState* state);

  int64_t head_dim_, value_stride_, key_stride_;
  int64_t count_ = 0;
  float* values_;    // [kWidth][value_stride]
  float* keys_;      // [kWidth][key_stride]: y
  float* y_;         // [head_dim][kWidth]
  float* weights_;   // [PanelRowCount(num_anchors)][kWidth]
  float* weighted_;  // [head_dim][kWidth]: y w
  float* row_sums_;  // [num_anchors]
  float* shift_;     // [num_anchors]
  float* excess_;    // [kWidth]
  float* zeros_;     // [kWidth]
  float* visible_;   // [kWidth]: 0, or kNoExponent past the last key
};

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_ANCHOR_KEY_TILE_H_
