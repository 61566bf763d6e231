#ifndef FAVOR_FORMAT_HALF_FLOAT_H_
#define FAVOR_FORMAT_HALF_FLOAT_H_

#include <bit>
#include <cstdint>

namespace favor {

// Conversions between float32 and the 16-bit types, as bits. Widening is exact. Narrowing rounds to nearest, ties to
// even, and overflows to infinity. NaN stays NaN with its sign and the upper bits of its payload, so widening and then
// narrowing gives back all 65,536 patterns. These are the reference: kernels convert whole vectors on their own.

inline float Float32FromBFloat16(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

inline uint16_t BFloat16FromFloat32(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffff) > 0x7f800000) {
    const uint16_t upper = bits >> 16;
    return (upper & 0x7f) != 0 ? upper : upper | 0x40;  // must not become infinity
  }
  return (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
}

inline float Float32FromFloat16(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  const uint32_t exponent = (bits >> 10) & 0x1f;
  const uint32_t mantissa = bits & 0x3ff;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000 | mantissa << 13);
  if (exponent == 0) {
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;  // subnormal or zero, exact
    return sign != 0 ? -magnitude : magnitude;
  }
  return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
}

inline uint16_t Float16FromFloat32(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint16_t sign = (bits >> 16) & 0x8000;
  const uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) {
    const uint16_t payload = (magnitude >> 13) & 0x3ff;
    return sign | 0x7c00 | (payload != 0 ? payload : 0x200);  // must not become infinity
  }
  if (magnitude >= 0x477ff000) return sign | 0x7c00;  // 65520, halfway past the largest, and above
  if (magnitude >= 0x38800000) {                      // 2^-14, the least normal number
    const uint32_t rounded = magnitude - (112u << 23) + 0xfff + ((magnitude >> 13) & 1);
    return sign | static_cast<uint16_t>(rounded >> 13);
  }
  // Subnormal: adding 1/2 leaves |value| in units of 2^-24, rounded to even by the addition itself, in the low bits.
  const uint32_t sum = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f);
  return sign | static_cast<uint16_t>(sum - 0x3f000000);
}

}  // namespace favor

#endif  // FAVOR_FORMAT_HALF_FLOAT_H_
