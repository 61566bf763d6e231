#include "favor/model/mpnet_bias.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace favor {

int64_t MpnetBucket(int64_t distance) {
  constexpr int64_t kOfOneSide = kMpnetBuckets / 2, kExact = kOfOneSide / 2;
  constexpr int64_t kFarthest = 128;
  const int64_t first = distance > 0 ? kOfOneSide : 0;
  const int64_t magnitude = std::abs(distance);
  if (magnitude < kExact) return first + magnitude;
  // In float32, as the reference has it: at powers of two the last bit decides.
  const float scaled = std::log(static_cast<float>(magnitude) / kExact) /
                       static_cast<float>(std::log(static_cast<double>(kFarthest) / kExact)) * (kOfOneSide - kExact);
  return first + std::min(kExact + static_cast<int64_t>(scaled), kOfOneSide - 1);
}

absl::StatusOr<RelativeBias> MpnetBias(const float* table, int64_t num_heads, int64_t max_length) {
  return RelativeBias::Create(num_heads, max_length, [&](int64_t head, int64_t distance) {
    return table[MpnetBucket(distance) * num_heads + head];
  });
}

}  // namespace favor
