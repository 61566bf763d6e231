#ifndef FAVOR_ATTENTION_KEY_TILE_H_
#define FAVOR_ATTENTION_KEY_TILE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "favor/attention/head_state.h"
#include "favor/attention/scratch.h"
#include "favor/feature_map/feature_map.h"
#include "favor/kernels/pack.h"

namespace favor::internal {

// A tile of keys with their values, on their way into an HeadState. Thread-compatible.
//
// FoldInto() takes a tile through a few features at a time, so that their weights never leave the caches. Who
// multiplies keys with queries needs the weights of all features at once: a causal call those of the tile's own
// queries, by WeighAll(), or Weigh() and LoudToken() where some key is loud, and Fold(); a call of few keys by
// WeighInto().
class KeyTile {
 public:
  struct Use {
    int64_t width = 0;          // keys of a tile, at most: a multiple of kTile, and kTile itself unless fused
    bool fused = false;         // from inputs to weights in one pass; only for maps that are fused()
    bool all_features = false;  // weights() will be asked for
    bool bfloat16 = false;      // products of the fold
  };
  KeyTile(const FeatureMap* map, int64_t head_dim, int64_t value_dim, const Use& use, ScratchLayout* layout);

  // Packs rows of keys and values; keys.count <= width. Returns an error naming tensor and position for a row that is
  // not finite; `where` says which row of the whole tensor the tile starts at.
  struct Origin {
    int64_t batch, key_head, position;
  };
  absl::Status Load(const kernels::Rows& keys, const kernels::Rows& values, const Origin& where);

  // Adds all keys to the state, raising its maxima as needed.
  void FoldInto(HeadState* state);

  // Adds all keys to a state without values, raising its maxima as needed: QueryTile::ReadKeys() takes them from here.
  void WeighInto(HeadState* state);

  // Forms the weights of all features at once if no key exceeds the state's maxima by more than kMaxRise; else answers
  // false, and Weigh() has to follow. An empty state takes the first key's exponents for its maxima.
  bool WeighAll(HeadState* state);

  // Forms the weights of all features relative to the state's maxima. Tokens from LoudToken() on exceed them.
  void Weigh(const HeadState& state);

  // First token at or after `begin` whose weight exceeds the state's maxima by more than kMaxRise; count() if none.
  int64_t LoudToken(int64_t begin) const;

  // Raises the state's maxima to those of tokens [begin, end) where they exceed them by more than `rise`, and shifts
  // its sums. Weigh() must follow.
  void RaiseMaxima(int64_t begin, int64_t end, float rise, HeadState* state);

  // Adds tokens [begin, end), already weighed, to the state.
  void Fold(int64_t begin, int64_t end, HeadState* state) const;

  // state->stabiliser <- max with w_r.k of all tokens (exponential maps); not for fused tiles.
  void RaiseStabiliser(HeadState* state);
  // What it was after each token, those past count() included.
  const float* stabilisers() const { return stabilisers_; }

  int64_t count() const { return count_; }
  const float* weights() const { return features_; }  // [num_features][width], after all ways to weigh them
  const float* values() const { return values_; }     // [width][value_stride]
  int64_t value_stride() const { return value_stride_; }

 private:
  // Features [begin, end), whose log-features or weights take the place of those before.
  struct Block {
    int64_t begin, end;
    int64_t rows() const { return end - begin; }
  };
  Block All() const { return {0, map_->num_features()}; }

  bool WeighFused(Block block, HeadState* state);
  void WeighMapped(Block block, const HeadState& state);
  void RaiseMaxima(Block block, int64_t begin, int64_t end, float rise, HeadState* state);
  void WeighBlock(Block block, HeadState* state);
  void AddWeights(Block block, int64_t begin, int64_t end, HeadState* state) const;
  void FoldValues(Block block, int64_t begin, int64_t end, HeadState* state) const;
  void Count(int64_t begin, int64_t end, HeadState* state) const;
  // Makes features_ hold log-features (values of valued maps) again if weights took their place.
  void MapFeatures(Block block);

  const FeatureMap* map_;
  int64_t head_dim_;
  int64_t value_stride_;
  int64_t width_;
  bool fused_;
  bool bfloat16_;
  int64_t block_rows_;
  int64_t key_head_ = 0;
  int64_t count_ = 0;
  bool mapped_ = false;     // features_ holds what Map() made
  bool has_sums_ = false;   // row_sums_ holds the sums of the weights
  float* rows_;             // [width][Padded(head_dim)], token-major
  float* input_;            // [head_dim][width], what is to be transformed to x_
  float* x_;                // [head_dim][width]
  float* features_;         // [block_rows, padded][width]
  float* values_;           // [width][value_stride]
  uint32_t* value_pairs_;   // [width / 2][value_stride] bfloat16
  uint32_t* weight_pairs_;  // [block_rows][width / 2] bfloat16, of the block that is being folded
  float* fraction_;         // [width] the token's own exponent g, less its whole part
  float* whole_;            // [width] its whole part; kNoExponent past count
  float* own_fraction_;     // [width] what is still to be added to features_: fraction_, or zeros when fused
  float* excess_;           // [width] how far each token exceeds the maxima
  float* factor_;           // [width] valued maps: 2^(g - maximum)
  float* shift_;            // [block_rows]
  float* row_sums_;         // [block_rows]
  float* stabilisers_;      // [kTile]
};

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_KEY_TILE_H_
