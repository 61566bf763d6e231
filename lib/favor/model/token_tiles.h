#ifndef FAVOR_MODEL_TOKEN_TILES_H_
#define FAVOR_MODEL_TOKEN_TILES_H_

#include <algorithm>
#include <cstdint>

#include "favor/kernels/tile.h"

namespace favor {

// How the tokens of a batch, packed without padding, are cut into tiles: what the layers that look at one token at a
// time work on. A tile may hold tokens of several sequences, and a sequence may lie in several tiles. A few tokens are
// cut smaller, so that there is a tile for more than one thread; a token's results are the same in any tile.
class TokenTiles {
 public:
  explicit TokenTiles(int64_t num_tokens) : num_tokens_(num_tokens) {
    while (width_ > kernels::kPad && num_tiles() < kFew) width_ -= kernels::kPad;
  }

  int64_t num_tokens() const { return num_tokens_; }
  int64_t num_tiles() const { return (num_tokens_ + width_ - 1) / width_; }
  int64_t First(int64_t tile) const { return tile * width_; }
  int64_t Count(int64_t tile) const { return std::min(width_, num_tokens_ - First(tile)); }
  // Columns that kernels compute for a tile.
  int64_t Columns(int64_t tile) const { return kernels::Padded(Count(tile)); }
  // Rows of a buffer of token rows that tiles write whole.
  int64_t PaddedTokens() const { return num_tiles() * kernels::kTile; }

 private:
  static constexpr int64_t kFew = 8;

  int64_t num_tokens_;
  int64_t width_ = kernels::kTile;
};

}  // namespace favor

#endif  // FAVOR_MODEL_TOKEN_TILES_H_
