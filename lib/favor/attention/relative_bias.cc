#include "favor/attention/relative_bias.h"

#include <utility>

#include "favor/kernels/tile.h"

namespace favor {

absl::StatusOr<RelativeBias> RelativeBias::Create(int64_t num_heads, int64_t max_length,
                                                  absl::FunctionRef<float(int64_t head, int64_t distance)> bias) {
  constexpr double kLog2E = 1.4426950408889634;
  RelativeBias table;
  table.num_heads_ = num_heads;
  table.max_length_ = max_length;
  table.stride_ = 2 * max_length - 1 + kernels::kPad;
  absl::StatusOr<AlignedBuffer<float>> memory = AlignedBuffer<float>::AllocateZeroed(num_heads * table.stride_);
  if (!memory.ok()) return memory.status();
  float* next = memory->data();
  for (int64_t head = 0; head < num_heads; ++head, next += kernels::kPad) {
    for (int64_t distance = 1 - max_length; distance < max_length; ++distance) {
      *next++ = static_cast<float>(kLog2E * bias(head, distance));
    }
  }
  table.table_ = *std::move(memory);
  return table;
}

}  // namespace favor
