#ifndef FAVOR_MODEL_TOKEN_VECTORS_H_
#define FAVOR_MODEL_TOKEN_VECTORS_H_

#include <algorithm>
#include <cstdint>

#include "favor/kernels/pack.h"
#include "favor/kernels/tile.h"
#include "favor/model/token_blocks.h"

namespace favor {

// Floats of scratch that the functions below work in.
constexpr int64_t TokenVectorScratch(int64_t dim) { return kernels::kTile * kernels::Padded(dim); }

// Fills the tiles of a block, rows past dim with zeros: write_vector(t, row) writes the vector of the block's token t,
// for which row has Padded(dim) floats.
template <typename WriteVector>
void LoadTokenVectors(const BlockTiles& block, int64_t dim, WriteVector write_vector, float* scratch) {
  const int64_t stride = kernels::Padded(dim);
  for (int64_t i = 0; i < block.num_tiles(); ++i) {
    for (int64_t t = 0; t < block.Count(i); ++t) write_vector(i * kernels::kTile + t, scratch + t * stride);
    kernels::Transpose(scratch, stride, block.Count(i), dim, block.Tile(i), kernels::kTile);
    std::fill(block.Tile(i) + dim * kernels::kTile, block.Tile(i) + block.stride(), 0.0f);
  }
}

// vectors[t][l] = tiles of the block, for its tokens t and l < dim.
inline void StoreTokenVectors(const BlockTiles& block, int64_t dim, float* scratch, float* vectors) {
  const int64_t stride = kernels::Padded(dim);
  for (int64_t i = 0; i < block.num_tiles(); ++i) {
    kernels::Transpose(block.Tile(i), kernels::kTile, dim, block.Count(i), scratch, stride);
    for (int64_t t = 0; t < block.Count(i); ++t, vectors += dim) std::copy_n(scratch + t * stride, dim, vectors);
  }
}

}  // namespace favor

#endif  // FAVOR_MODEL_TOKEN_VECTORS_H_
