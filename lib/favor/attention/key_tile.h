#ifndef FAVOR_ATTENTION_KEY_TILE_H_
#define FAVOR_ATTENTION_KEY_TILE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "favor/attention/attention_state.h"
#include "favor/attention/scratch.h"
#include "favor/feature_map/feature_map.h"
#include "favor/kernels/pack.h"

namespace favor::internal {

// Up to kTile keys with their values, on their way into an AttentionState. Thread-compatible.
class KeyTile {
 public:
  KeyTile(const FeatureMap* map, int64_t head_dim, int64_t value_dim, ScratchLayout* layout);

  // Packs rows of keys and values; keys.count <= kTile. Returns an error naming tensor and position for a row that is
  // not finite; `where` says which row of the whole tensor the tile starts at.
  struct Origin {
    int64_t batch, key_head, position;
  };
  absl::Status Load(const kernels::Rows& keys, const kernels::Rows& values, const Origin& where);

  // Forms the weights of all tokens relative to the state's maxima. Tokens from LoudToken() on exceed them.
  void Weigh(const AttentionState& state);

  // First token at or after `begin` whose weight exceeds the state's maxima by more than kMaxRise; count() if none.
  int64_t LoudToken(int64_t begin) const;

  // Raises the state's maxima to those of tokens [begin, end) where they exceed them by more than `rise`, and shifts
  // its sums. Weigh() must follow.
  void RaiseMaxima(int64_t begin, int64_t end, float rise, AttentionState* state);

  // Adds tokens [begin, end), already weighed, to the state.
  void Fold(int64_t begin, int64_t end, AttentionState* state) const;

  // state->stabiliser <- max with w_r.k of all tokens (exponential maps).
  void RaiseStabiliser(AttentionState* state);

  int64_t count() const { return count_; }
  const float* weights() const { return features_; }  // [num_features][kTile], after Weigh()
  const float* values() const { return values_; }     // [kTile][value_stride]
  int64_t value_stride() const { return value_stride_; }

 private:
  // Makes features_ hold features again if weights took their place.
  void MapFeatures();

  const FeatureMap* map_;
  int64_t head_dim_;
  int64_t value_stride_;
  int64_t key_head_ = 0;
  int64_t count_ = 0;
  bool weighed_ = false;
  float* rows_;      // [kTile][Padded(head_dim)], token-major
  float* x_;         // [head_dim][kTile]
  float* features_;  // [num_features][kTile]
  float* values_;    // [kTile][value_stride]
  float* fraction_;  // [kTile] the token's own exponent g, less its whole part
  float* whole_;     // [kTile] its whole part; kNoExponent past count
  float* excess_;    // [kTile] how far each token exceeds the maxima
  float* factor_;    // [kTile] valued maps: 2^(g - maximum)
  float* shift_;     // [num_features]
};

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_KEY_TILE_H_
