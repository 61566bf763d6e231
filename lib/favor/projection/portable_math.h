#ifndef FAVOR_PROJECTION_PORTABLE_MATH_H_
#define FAVOR_PROJECTION_PORTABLE_MATH_H_

#include <bit>
#include <cfloat>
#include <cstdint>

#ifdef __FAST_MATH__
#error "projections must have the same bits on every machine: compile without -ffast-math"
#endif

// Functions whose every bit follows from IEEE 754: only +, -, * and / of doubles, in the order written, where the C
// library's own may differ from release to release. Needs -ffp-contract=off, or a*b+c may round once instead of twice.
namespace favor::internal {

static_assert(DBL_MANT_DIG == 53 && FLT_EVAL_METHOD == 0, "needs IEEE 754 doubles without excess precision");

// ln(x) for normal x > 0. Max relative error 4e-16 for x in [1e-300, 1 - 2^-53]; tested.
// x = 2^k m with m in [1/sqrt(2), sqrt(2)); ln m = 2 artanh(s), s = (m - 1) / (m + 1), by its Taylor series in s^2 <=
// 0.0295, whose first term left out is below 2^-57 of the sum.
inline double PortableLog(double x) {
  constexpr uint64_t kSqrtHalfBits = 0x3fe6a09e667f3bcd;
  const uint64_t bits = std::bit_cast<uint64_t>(x);
  // Both parts in integers: the exponent of x / sqrt(1/2), rounded down, and what remains of x.
  const int64_t k = static_cast<int64_t>(bits - kSqrtHalfBits) >> 52;
  const double m = std::bit_cast<double>(bits - (static_cast<uint64_t>(k) << 52));
  const double s = (m - 1.0) / (m + 1.0);
  const double t = s * s;
  double tail = 1.0 / 21;
  tail = tail * t + 1.0 / 19;
  tail = tail * t + 1.0 / 17;
  tail = tail * t + 1.0 / 15;
  tail = tail * t + 1.0 / 13;
  tail = tail * t + 1.0 / 11;
  tail = tail * t + 1.0 / 9;
  tail = tail * t + 1.0 / 7;
  tail = tail * t + 1.0 / 5;
  tail = tail * t + 1.0 / 3;
  // ln 2 in two parts: k times the first, of 32 significant bits, is exact.
  constexpr double kLn2High = 0x1.62e42feep-1;
  constexpr double kLn2Low = 0x1.a39ef35793c76p-33;
  const double log_m = 2.0 * s + (2.0 * s) * (t * tail);
  return static_cast<double>(k) * kLn2High + (log_m + static_cast<double>(k) * kLn2Low);
}

struct SinCos {
  double sin;
  double cos;
};

// Sine and cosine of (pi / 2) * x for x in [-1/2, 1/2], by their Taylor series. Max absolute error 3e-16; tested.
inline SinCos PortableSinCosQuarterTurns(double x) {
  constexpr double kHalfPi = 0x1.921fb54442d18p+0;
  const double a = kHalfPi * x;
  const double t = a * a;  // <= 0.617
  // 1/n! with n! exact in a double up to 18!.
  double sin = 1.0 / 355687428096000;
  sin = sin * t - 1.0 / 1307674368000;
  sin = sin * t + 1.0 / 6227020800;
  sin = sin * t - 1.0 / 39916800;
  sin = sin * t + 1.0 / 362880;
  sin = sin * t - 1.0 / 5040;
  sin = sin * t + 1.0 / 120;
  sin = sin * t - 1.0 / 6;
  double cos = -1.0 / 6402373705728000;
  cos = cos * t + 1.0 / 20922789888000;
  cos = cos * t - 1.0 / 87178291200;
  cos = cos * t + 1.0 / 479001600;
  cos = cos * t - 1.0 / 3628800;
  cos = cos * t + 1.0 / 40320;
  cos = cos * t - 1.0 / 720;
  cos = cos * t + 1.0 / 24;
  cos = cos * t - 1.0 / 2;
  return {a + a * (t * sin), 1.0 + t * cos};
}

}  // namespace favor::internal

#endif  // FAVOR_PROJECTION_PORTABLE_MATH_H_
