#ifndef FAVOR_MODEL_PACKED_ROWS_H_
#define FAVOR_MODEL_PACKED_ROWS_H_

#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"
#include "favor/base/aligned_buffer.h"
#include "favor/kernels/pack.h"
#include "favor/kernels/tile.h"
#include "favor/model/token_blocks.h"
#include "favor/tensor/tensor_view.h"

namespace favor {

// A row of values for each token of a batch: the form in which attention takes its inputs and gives its outputs, while
// the layers around it have tokens in the lanes.
class PackedRows {
 public:
  PackedRows() = default;
  // Of these sizes, without memory behind it: for views that are only measured.
  PackedRows(int64_t num_tokens, int64_t dim) : stride_(kernels::Padded(dim)), dim_(dim), num_tokens_(num_tokens) {}

  static int64_t Floats(int64_t num_tokens, int64_t dim) { return num_tokens * kernels::Padded(dim); }
  static absl::StatusOr<PackedRows> Allocate(int64_t num_tokens, int64_t dim) {
    absl::StatusOr<AlignedBuffer<float>> memory = AlignedBuffer<float>::Allocate(Floats(num_tokens, dim));
    if (!memory.ok()) return memory.status();
    PackedRows rows(num_tokens, dim);
    rows.memory_ = *std::move(memory);
    return rows;
  }

  // Between rows from `first` on and a block of tiles, of dim rows or more.
  void Store(int64_t first, const BlockTiles& block) {
    for (int64_t i = 0; i < block.num_tiles(); ++i, first += kernels::kTile) {
      kernels::Transpose(block.Tile(i), kernels::kTile, dim_, block.Count(i), memory_.data() + first * stride_,
                         stride_);
    }
  }
  void Load(int64_t first, const BlockTiles& block) const {
    for (int64_t i = 0; i < block.num_tiles(); ++i, first += kernels::kTile) {
      kernels::Transpose(memory_.data() + first * stride_, stride_, block.Count(i), dim_, block.Tile(i),
                         kernels::kTile);
    }
  }

  // Columns [begin, begin + num_heads * head_dim) of rows [first, first + length), as the heads of one sequence.
  MutableTensorView Heads(int64_t first, int64_t length, int64_t begin, int64_t num_heads, int64_t head_dim) const {
    auto* data = const_cast<float*>(memory_.data());  // NOLINT: who owns the rows decides who writes
    if (data != nullptr) data += first * stride_ + begin;
    return {reinterpret_cast<std::byte*>(data),
            DataType::kFloat32,
            {1, num_heads, length, head_dim},
            {0, head_dim, stride_, 1}};
  }

 private:
  int64_t stride_ = 0;
  int64_t dim_ = 0;
  int64_t num_tokens_ = 0;
  AlignedBuffer<float> memory_;
};

}  // namespace favor

#endif  // FAVOR_MODEL_PACKED_ROWS_H_
