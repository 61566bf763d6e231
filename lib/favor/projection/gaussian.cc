#include "favor/projection/gaussian.h"

#include <array>
#include <cmath>

#include "favor/base/philox.h"
#include "favor/projection/orthonormal.h"
#include "favor/projection/portable_math.h"
#include "favor/projection/projection.h"

namespace favor::internal {
namespace {

struct Pair {
  double first;
  double second;
};

Pair BoxMuller(uint64_t radius_bits, uint64_t angle_bits) {
  const double u = (static_cast<double>(radius_bits >> 12) + 0.5) * 0x1p-52;
  const double radius = std::sqrt(-2.0 * PortableLog(u));  // IEEE 754 asks for a correctly rounded sqrt

  constexpr uint64_t kMask52 = (uint64_t{1} << 52) - 1;
  const double offset = (static_cast<double>((angle_bits >> 10) & kMask52) + 0.5) * 0x1p-52 - 0.5;
  const SinCos at = PortableSinCosQuarterTurns(offset);
  switch (angle_bits >> 62) {  // quarter turns
    case 0:
      return {radius * at.cos, radius * at.sin};
    case 1:
      return {radius * -at.sin, radius * at.cos};
    case 2:
      return {radius * -at.cos, radius * -at.sin};
    default:
      return {radius * at.sin, radius * -at.cos};
  }
}

}  // namespace

void DrawGaussianRow(const BlockKey& key, int64_t row, absl::Span<double> values) {
  const std::array<uint32_t, 2> philox_key = {static_cast<uint32_t>(key.seed), static_cast<uint32_t>(key.seed >> 32)};
  const int64_t size = values.size();
  const int64_t pairs_per_row = (key.head_dim + 1) / 2;
  for (int64_t i = 0; 2 * i < size; ++i) {
    const std::array<uint32_t, 4> bits =
        Philox4x32({static_cast<uint32_t>(row * pairs_per_row + i), static_cast<uint32_t>(key.block),
                    static_cast<uint32_t>(key.head_dim), static_cast<uint32_t>(key.stream)},
                   philox_key);
    const Pair pair = BoxMuller(uint64_t{bits[1]} << 32 | bits[0], uint64_t{bits[3]} << 32 | bits[2]);
    values[2 * i] = pair.first;
    if (2 * i + 1 < size) values[2 * i + 1] = pair.second;
  }
}

double DrawChi(const BlockKey& key, int64_t row) {
  double values[kMaxHeadDim + 3] = {};
  DrawGaussianRow(key, row, absl::MakeSpan(values, key.head_dim));
  return std::sqrt(DotProduct(values, values, RowStride(key.head_dim)));
}

}  // namespace favor::internal
