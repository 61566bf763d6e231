#ifndef FAVOR_MODEL_PACKED_ROWS_H_
#define FAVOR_MODEL_PACKED_ROWS_H_

#include <algorithm>
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

  // From a block of tiles, of dim rows or more, to the rows from `first` on, and back.
  void Store(int64_t first, const BlockTiles& block) {
    for (int64_t i = 0; i < block.num_tiles(); ++i) StoreRun(first + i * kernels::kTile, block.Tile(i), block.Count(i));
  }
  void Load(int64_t first, const BlockTiles& block) const {
    for (int64_t i = 0; i < block.num_tiles(); ++i) {
      kernels::Transpose(Row(first + i * kernels::kTile), stride_, block.Count(i), dim_, block.Tile(i), kernels::kTile);
    }
  }
  // The same between token t of the block and rows[t]. Neighbours of a tile are moved together.
  void Store(const int64_t* rows, const BlockTiles& block) {
    for (int64_t i = 0; i < block.num_tiles(); ++i, rows += kernels::kTile) {
      for (int64_t t = 0, end = 0; t < block.Count(i); t = end) {
        for (end = t + 1; end < block.Count(i) && rows[end] == rows[end - 1] + 1;) ++end;
        StoreRun(rows[t], block.Tile(i) + t, end - t);
      }
    }
  }
  // scratch: [kTile][stride()].
  void Load(const int64_t* rows, const BlockTiles& block, float* scratch) const {
    for (int64_t i = 0; i < block.num_tiles(); ++i, rows += kernels::kTile) {
      for (int64_t t = 0; t < block.Count(i); ++t) std::copy_n(Row(rows[t]), stride_, scratch + t * stride_);
      kernels::Transpose(scratch, stride_, block.Count(i), dim_, block.Tile(i), kernels::kTile);
    }
  }

  float* Row(int64_t row) { return memory_.data() + row * stride_; }
  const float* Row(int64_t row) const { return memory_.data() + row * stride_; }
  int64_t stride() const { return stride_; }

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
  void StoreRun(int64_t first, const float* columns, int64_t count) {
    kernels::Transpose(columns, kernels::kTile, dim_, count, Row(first), stride_);
  }

  int64_t stride_ = 0;
  int64_t dim_ = 0;
  int64_t num_tokens_ = 0;
  AlignedBuffer<float> memory_;
};

}  // namespace favor

#endif  // FAVOR_MODEL_PACKED_ROWS_H_
