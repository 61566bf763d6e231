#include "favor/format/half_float.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace favor {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// What the bits of a 16-bit float mean, by definition.
double Meaning(uint16_t bits, int exponent_bits, int mantissa_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = (bits >> mantissa_bits) & ((1 << exponent_bits) - 1);
  const int mantissa = bits & ((1 << mantissa_bits) - 1);
  const double sign = bits & 0x8000 ? -1 : 1;
  if (exponent == (1 << exponent_bits) - 1) return mantissa != 0 ? std::nan("") : sign * INFINITY;
  if (exponent == 0) return sign * std::ldexp(mantissa, 1 - bias - mantissa_bits);
  return sign * std::ldexp((1 << mantissa_bits) + mantissa, exponent - bias - mantissa_bits);
}

template <typename Widen, typename Narrow>
void ExpectAllPatternsExactAndRoundTripping(Widen widen, Narrow narrow, int exponent_bits, int mantissa_bits) {
  for (uint32_t pattern = 0; pattern <= 0xffff; ++pattern) {
    const uint16_t bits = static_cast<uint16_t>(pattern);
    const float value = widen(bits);
    const double expected = Meaning(bits, exponent_bits, mantissa_bits);
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(value)) << std::hex << pattern;
    } else {
      ASSERT_EQ(value, expected) << std::hex << pattern;
    }
    ASSERT_EQ(std::signbit(value), (bits & 0x8000) != 0) << std::hex << pattern;
    ASSERT_EQ(narrow(value), bits) << std::hex << pattern;
  }
}

// Around every pair of neighbours a < b: the midpoint goes to the even one, what lies beside it to the nearer one.
template <typename Widen, typename Narrow>
void ExpectNearestEven(Widen widen, Narrow narrow, uint16_t infinity, float beyond_largest) {
  for (uint16_t low = 0; low < infinity; ++low) {
    const uint16_t high = low + 1;
    const double a = widen(low), b = high == infinity ? beyond_largest : widen(high);
    const float middle = static_cast<float>((a + b) / 2);  // exact: float32 has at least one more bit
    ASSERT_EQ(middle, (a + b) / 2);
    for (uint16_t sign : {0x0000, 0x8000}) {
      const float s = sign != 0 ? -1.0f : 1.0f;
      ASSERT_EQ(narrow(s * middle), sign | (low % 2 == 0 ? low : high)) << low;
      ASSERT_EQ(narrow(s * std::nextafter(middle, 0.0f)), sign | low) << low;
      ASSERT_EQ(narrow(s * std::nextafter(middle, kInfinity)), sign | high) << low;
    }
  }
}

TEST(Float16, AllPatternsWidenExactlyAndComeBack) {
  ExpectAllPatternsExactAndRoundTripping(Float32FromFloat16, Float16FromFloat32, 5, 10);
}

TEST(BFloat16, AllPatternsWidenExactlyAndComeBack) {
  ExpectAllPatternsExactAndRoundTripping(Float32FromBFloat16, BFloat16FromFloat32, 8, 7);
}

TEST(Float16, RoundsToNearestEven) { ExpectNearestEven(Float32FromFloat16, Float16FromFloat32, 0x7c00, 65536.0f); }

TEST(BFloat16, RoundsToNearestEven) {
  // The last midpoint lies between the largest bfloat16 and 2^128, which float32 lacks: below it only.
  ExpectNearestEven(Float32FromBFloat16, BFloat16FromFloat32, 0x7f7f, Float32FromBFloat16(0x7f7f));
  EXPECT_EQ(BFloat16FromFloat32(std::bit_cast<float>(0x7f7f7fffu)), 0x7f7f);
  EXPECT_EQ(BFloat16FromFloat32(std::bit_cast<float>(0x7f7f8000u)), 0x7f80);
}

TEST(HalfFloats, OverflowToInfinityAndUnderflowToZero) {
  EXPECT_EQ(Float16FromFloat32(65519.996f), 0x7bff);
  EXPECT_EQ(Float16FromFloat32(65520.0f), 0x7c00);
  EXPECT_EQ(Float16FromFloat32(-1e30f), 0xfc00);
  EXPECT_EQ(Float16FromFloat32(kInfinity), 0x7c00);
  EXPECT_EQ(Float16FromFloat32(1e-30f), 0x0000);
  EXPECT_EQ(Float16FromFloat32(-1e-30f), 0x8000);
  EXPECT_EQ(BFloat16FromFloat32(std::numeric_limits<float>::max()), 0x7f80);
  EXPECT_EQ(BFloat16FromFloat32(-kInfinity), 0xff80);
  EXPECT_EQ(BFloat16FromFloat32(-0.0f), 0x8000);
}

TEST(HalfFloats, NanWhosePayloadIsCutOffStaysNan) {
  for (uint32_t bits : {0x7f800001u, 0xff800001u, 0x7fffffffu, 0xffc00000u}) {
    const float nan = std::bit_cast<float>(bits);
    EXPECT_TRUE(std::isnan(Float32FromFloat16(Float16FromFloat32(nan)))) << std::hex << bits;
    EXPECT_TRUE(std::isnan(Float32FromBFloat16(BFloat16FromFloat32(nan)))) << std::hex << bits;
    EXPECT_EQ(Float16FromFloat32(nan) >> 15, bits >> 31);
    EXPECT_EQ(BFloat16FromFloat32(nan) >> 15, bits >> 31);
  }
}

}  // namespace
}  // namespace favor
