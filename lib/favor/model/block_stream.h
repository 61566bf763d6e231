#ifndef FAVOR_MODEL_BLOCK_STREAM_H_
#define FAVOR_MODEL_BLOCK_STREAM_H_

#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "favor/base/aligned_buffer.h"
#include "favor/kernels/panels.h"
#include "favor/kernels/tile.h"
#include "favor/model/token_blocks.h"

namespace favor {

// A vector for every token of a batch, in the tiles of its blocks, as the layers of an encoder hand it on:
// [num_blocks][tiles_per_block][rows()][kTile].
class BlockStream {
 public:
  // Sizes alone, without memory. dim: of a token's vector; tiles have the rows that fill the last panel of a layer up.
  BlockStream(const TokenBlocks& blocks, int64_t dim) : blocks_(blocks), rows_(kernels::PanelRowCount(dim)) {}

  // ResourceExhaustedError when there is no memory.
  absl::Status Allocate() {
    absl::StatusOr<AlignedBuffer<float>> memory = AlignedBuffer<float>::Allocate(blocks_.num_blocks() * stride());
    if (!memory.ok()) return memory.status();
    memory_ = *std::move(memory);
    return absl::OkStatus();
  }
  // Floats that Allocate() takes, at most; subadditive in the tokens.
  int64_t MostFloats() const { return TokenBlocks::MostColumns(blocks_.num_tokens()) * rows_; }

  int64_t rows() const { return rows_; }
  BlockTiles Block(int64_t block) const {
    auto* data = const_cast<float*>(memory_.data());  // NOLINT: the stages of a block decide who writes
    return {data + block * stride(), rows_, blocks_.Count(block)};
  }

 private:
  int64_t stride() const { return blocks_.tiles_per_block() * rows_ * kernels::kTile; }

  TokenBlocks blocks_;
  int64_t rows_;
  AlignedBuffer<float> memory_;
};

}  // namespace favor

#endif  // FAVOR_MODEL_BLOCK_STREAM_H_
