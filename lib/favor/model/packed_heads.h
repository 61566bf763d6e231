#ifndef FAVOR_MODEL_PACKED_HEADS_H_
#define FAVOR_MODEL_PACKED_HEADS_H_

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

// A row of values for each head and token of a batch, [num_heads][num_rows][head_dim padded]: the form in which
// attention takes its inputs and gives its outputs, while the layers around it have tokens in the lanes. Rows of one
// head are neighbours, so that attention reads streams.
class PackedHeads {
 public:
  PackedHeads() = default;
  // Of these sizes, without memory behind it: for views that are only measured.
  PackedHeads(int64_t num_rows, int64_t num_heads, int64_t head_dim)
      : stride_(kernels::Padded(head_dim)), num_rows_(num_rows), num_heads_(num_heads), head_dim_(head_dim) {}

  int64_t Floats() const { return num_heads_ * num_rows_ * stride_; }

  static absl::StatusOr<PackedHeads> Allocate(int64_t num_rows, int64_t num_heads, int64_t head_dim) {
    PackedHeads heads(num_rows, num_heads, head_dim);
    absl::StatusOr<AlignedBuffer<float>> memory = AlignedBuffer<float>::Allocate(heads.Floats());
    if (!memory.ok()) return memory.status();
    heads.memory_ = *std::move(memory);
    return heads;
  }

  // Between a block of tiles, whose rows are head after head, and the rows of its tokens: token t has rows[t]. What are
  // neighbours in both is moved together.
  void Store(const int64_t* rows, const BlockTiles& block) {
    ForRuns(rows, block, [this](int64_t row, float* columns, int64_t count) { StoreRun(row, columns, count); });
  }
  // scratch: [kTile][Padded(head_dim)].
  void Load(const int64_t* rows, const BlockTiles& block, float* scratch) {
    for (int64_t i = 0; i < block.num_tiles(); ++i, rows += kernels::kTile) {
      const int64_t count = block.Count(i);
      if (rows[count - 1] == rows[0] + count - 1) {
        LoadRun(rows[0], count, block.Tile(i));
        continue;
      }
      for (int64_t head = 0; head < num_heads_; ++head) {
        for (int64_t t = 0; t < count; ++t) std::copy_n(Row(head, rows[t]), stride_, scratch + t * stride_);
        kernels::Transpose(scratch, stride_, count, head_dim_, HeadOf(block.Tile(i), head), kernels::kTile);
      }
    }
  }
  // The same, where token t has row first + t.
  void Store(int64_t first, const BlockTiles& block) {
    for (int64_t i = 0; i < block.num_tiles(); ++i) StoreRun(first + i * kernels::kTile, block.Tile(i), block.Count(i));
  }
  void Load(int64_t first, const BlockTiles& block) {
    for (int64_t i = 0; i < block.num_tiles(); ++i) LoadRun(first + i * kernels::kTile, block.Count(i), block.Tile(i));
  }

  float* Row(int64_t head, int64_t row) { return memory_.data() + (head * num_rows_ + row) * stride_; }

  void ZeroRows(int64_t first, int64_t count) {
    for (int64_t head = 0; head < num_heads_; ++head) std::fill_n(Row(head, first), count * stride_, 0.0f);
  }

  // Rows [first, first + length) of heads [first_head, first_head + num_heads), as one sequence.
  MutableTensorView View(int64_t first_head, int64_t num_heads, int64_t first, int64_t length) const {
    auto* data = const_cast<float*>(memory_.data());  // NOLINT: who owns the rows decides who writes
    if (data != nullptr) data += (first_head * num_rows_ + first) * stride_;
    return {reinterpret_cast<std::byte*>(data),
            DataType::kFloat32,
            {1, num_heads, length, head_dim_},
            {0, num_rows_ * stride_, stride_, 1}};
  }

 private:
  float* HeadOf(float* tile, int64_t head) const { return tile + head * head_dim_ * kernels::kTile; }

  // Between rows [row, row + count) and as many columns of a tile.
  void StoreRun(int64_t row, float* columns, int64_t count) {
    for (int64_t head = 0; head < num_heads_; ++head) {
      kernels::Transpose(HeadOf(columns, head), kernels::kTile, head_dim_, count, Row(head, row), stride_);
    }
  }
  void LoadRun(int64_t row, int64_t count, float* columns) {
    for (int64_t head = 0; head < num_heads_; ++head) {
      kernels::Transpose(Row(head, row), stride_, count, head_dim_, HeadOf(columns, head), kernels::kTile);
    }
  }

  // visit(first row, first column, count) for tokens of a tile whose rows are neighbours.
  template <typename Visit>
  static void ForRuns(const int64_t* rows, const BlockTiles& block, Visit visit) {
    for (int64_t i = 0; i < block.num_tiles(); ++i, rows += kernels::kTile) {
      for (int64_t t = 0, end = 0; t < block.Count(i); t = end) {
        for (end = t + 1; end < block.Count(i) && rows[end] == rows[end - 1] + 1;) ++end;
        visit(rows[t], block.Tile(i) + t, end - t);
      }
    }
  }

  int64_t stride_ = 0;
  int64_t num_rows_ = 0;
  int64_t num_heads_ = 0;
  int64_t head_dim_ = 0;
  AlignedBuffer<float> memory_;
};

}  // namespace favor

#endif  // FAVOR_MODEL_PACKED_HEADS_H_
