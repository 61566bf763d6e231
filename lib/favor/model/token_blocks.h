#ifndef FAVOR_MODEL_TOKEN_BLOCKS_H_
#define FAVOR_MODEL_TOKEN_BLOCKS_H_

#include <algorithm>
#include <cstdint>

#include "favor/base/aligned_buffer.h"
#include "favor/kernels/tile.h"

namespace favor {

// How the tokens of a batch, packed without padding, are cut into blocks of a few tiles: the grain of work of the
// layers that look at one token at a time. A block may hold tokens of several sequences, and a sequence may lie in
// several blocks; a token's results are the same in any. Wide blocks read weights less often. So that there is work for
// more than one thread, few tokens are cut small, or are one block of which threads share the rows of dense layers.
class TokenBlocks {
 public:
  enum class Few { kInSmallBlocks, kByRows };

  // flops_per_token: of the largest stage, a multiply-add counting twice.
  TokenBlocks(int64_t num_tokens, int64_t flops_per_token, Few few) : num_tokens_(num_tokens) {
    few == Few::kByRows&& num_tokens <= kMostSharedTiles* kernels::kTile ? ShareRows(flops_per_token)
                                                                         : CutSmall(flops_per_token);
  }

  int64_t num_tokens() const { return num_tokens_; }
  int64_t width() const { return width_; }  // tokens of every block but the last
  int64_t num_blocks() const { return (num_tokens_ + width_ - 1) / width_; }
  int64_t First(int64_t block) const { return block * width_; }
  int64_t Count(int64_t block) const { return std::min(width_, num_tokens_ - First(block)); }
  // Of the rows of a dense layer; 1 where there are several blocks.
  int64_t num_row_parts() const { return num_row_parts_; }
  // Columns of the tiles of so many tokens in however many blocks, at most; subadditive in them.
  static int64_t MostColumns(int64_t num_tokens) {
    return std::min(3 * num_tokens + kernels::kTile, num_tokens + 11 * kernels::kTile);
  }
  static constexpr int64_t kMostTiles = 3;        // of a block
  static constexpr int64_t kMostSharedTiles = 8;  // of one whose rows are shared

  int64_t tiles_per_block() const { return (width_ + kernels::kTile - 1) / kernels::kTile; }

 private:
  static constexpr int64_t kFew = 8;
  static constexpr int64_t kMostFlops = 500'000'000;  // some five milliseconds of one core
  static constexpr int64_t kMostRowParts = 32;
  static constexpr int64_t kMostPartFlops = 8'000'000;

  void CutSmall(int64_t flops_per_token) {
    while (width_ > kernels::kTile && (num_blocks() < kFew || width_ * flops_per_token > kMostFlops)) {
      width_ -= kernels::kTile;
    }
    while (width_ > kernels::kPad && num_blocks() < kFew) width_ -= kernels::kPad;
  }

  void ShareRows(int64_t flops_per_token) {
    width_ = std::max<int64_t>(1, (num_tokens_ + kernels::kTile - 1) / kernels::kTile) * kernels::kTile;
    num_row_parts_ = kFew;
    while (num_row_parts_ < kMostRowParts && num_tokens_ * flops_per_token > num_row_parts_ * kMostPartFlops) {
      num_row_parts_ *= 2;
    }
  }

  int64_t num_tokens_;
  int64_t width_ = kMostTiles * kernels::kTile;
  int64_t num_row_parts_ = 1;
};

// Tiles of one block, one after the other, each [rows][kTile]. Does not own them.
struct BlockTiles {
  float* data;
  int64_t rows;
  int64_t num_tokens;

  int64_t stride() const { return rows * kernels::kTile; }
  int64_t num_tiles() const { return (num_tokens + kernels::kTile - 1) / kernels::kTile; }
  float* Tile(int64_t i) const { return data + i * stride(); }
  // Tokens of tile i.
  int64_t Count(int64_t i) const { return std::min(kernels::kTile, num_tokens - i * kernels::kTile); }
  int64_t Floats() const { return num_tiles() * stride(); }
  // The same, behind these in memory.
  BlockTiles Next(int64_t next_rows) const { return {data + Floats(), next_rows, num_tokens}; }
};

}  // namespace favor

#endif  // FAVOR_MODEL_TOKEN_BLOCKS_H_
