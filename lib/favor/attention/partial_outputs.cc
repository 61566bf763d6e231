#include "favor/attention/partial_outputs.h"

#include <algorithm>
#include <utility>

#include "absl/status/statusor.h"
#include "favor/kernels/sums.h"
#include "favor/kernels/tile.h"

namespace favor::internal {

using kernels::kTile;

PartialOutputs::PartialOutputs(int64_t num_readers, int64_t num_parts, int64_t num_tiles, int64_t value_dim)
    : num_readers_(num_readers),
      num_parts_(num_parts),
      num_tiles_(num_tiles),
      value_stride_(kernels::Padded(value_dim)),
      tile_size_(kTile * (value_stride_ + 2)) {}

absl::Status PartialOutputs::Allocate() {
  absl::MutexLock lock(&mutex_);
  if (!memory_.empty()) return absl::OkStatus();
  absl::StatusOr<AlignedBuffer<float>> memory = AlignedBuffer<float>::Allocate(Bytes() / sizeof(float));
  if (!memory.ok()) return memory.status();
  memory_ = *std::move(memory);
  return absl::OkStatus();
}

PartialOutputs::Tile PartialOutputs::At(int64_t reader, int64_t part, int64_t tile) {
  float* sums = memory_.data() + ((reader * num_tiles_ + tile) * num_parts_ + part) * tile_size_;
  float* denominators = sums + kTile * value_stride_;
  return {sums, denominators, denominators + kTile};
}

void PartialOutputs::Put(int64_t reader, int64_t part, int64_t tile, int64_t begin, int64_t end,
                         const QueryTile& queries) {
  const Tile to = At(reader, part, tile);
  std::copy(queries.sums() + begin * value_stride_, queries.sums() + end * value_stride_,
            to.sums + begin * value_stride_);
  std::copy(queries.denominators() + begin, queries.denominators() + end, to.denominators + begin);
  std::copy(queries.references() + begin, queries.references() + end, to.references + begin);
}

int64_t PartialOutputs::Store(int64_t reader, int64_t tile, const kernels::MutableRows& out) {
  alignas(64) float total[kTile] = {}, largest[kTile], exponents[kTile];
  std::copy_n(At(reader, 0, tile).references, out.count, largest);
  for (int64_t part = 1; part < num_parts_; ++part) {
    const float* references = At(reader, part, tile).references;
    for (int64_t t = 0; t < out.count; ++t) largest[t] = std::max(largest[t], references[t]);
  }
  // One padded row a query for the denominators, so that they are scaled as the numerators are.
  alignas(64) float denominators[kTile * kernels::kPad] = {};
  float* numerators = At(reader, 0, tile).sums;
  for (int64_t part = 0; part < num_parts_; ++part) {
    const Tile from = At(reader, part, tile);
    alignas(64) float own[kTile * kernels::kPad] = {};
    for (int64_t t = 0; t < out.count; ++t) {
      exponents[t] = from.references[t] - largest[t];
      own[t * kernels::kPad] = from.denominators[t];
    }
    kernels::AddScaledRows(own, out.count, kernels::kPad, exponents, denominators);
    if (part == 0) {
      for (int64_t t = 0; t < out.count; ++t) {
        kernels::ScaleRow(numerators + t * value_stride_, value_stride_, exponents[t]);
      }
    } else {
      kernels::AddScaledRows(from.sums, out.count, value_stride_, exponents, numerators);
    }
  }
  for (int64_t t = 0; t < out.count; ++t) total[t] = denominators[t * kernels::kPad];
  return kernels::StoreNormalised(numerators, value_stride_, total, out);
}

}  // namespace favor::internal
