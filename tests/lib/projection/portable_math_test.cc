#include "favor/projection/portable_math.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace favor::internal {
namespace {

// long double has 64 bits of mantissa on x86-64 and 113 on arm64: an oracle better than what is measured.

TEST(PortableLog, StaysWithinItsDocumentedError) {
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> mantissa(1, 2);
  for (int exponent : {-996, -300, -52, -20, -3, -2, -1}) {
    for (int i = 0; i < 20000; ++i) {
      const double x = std::ldexp(mantissa(random), exponent);
      const long double exact = std::log(static_cast<long double>(x));
      ASSERT_LE(std::abs((PortableLog(x) - exact) / exact), 4e-16L) << x;
    }
  }
}

TEST(PortableLog, IsAccurateNextToOneAndAtTheEdgesOfItsReduction) {
  for (double x : {1 - 0x1p-53, 1 - 0x1p-30, std::sqrt(0.5), std::nextafter(std::sqrt(0.5), 0.0), 0.5,
                   std::nextafter(0.5, 0.0), 0x1p-53, 2.0, 3.0}) {
    const long double exact = std::log(static_cast<long double>(x));
    EXPECT_LE(std::abs((PortableLog(x) - exact) / exact), 4e-16L) << x;
  }
  EXPECT_EQ(PortableLog(1.0), 0.0);
}

TEST(PortableSinCos, StaysWithinItsDocumentedError) {
  constexpr long double kHalfPi = 1.57079632679489661923132169163975144L;
  for (int i = -50000; i <= 50000; ++i) {
    const double x = i / 100000.0;
    const SinCos got = PortableSinCosQuarterTurns(x);
    ASSERT_LE(std::abs(got.sin - std::sin(kHalfPi * x)), 3e-16L) << x;
    ASSERT_LE(std::abs(got.cos - std::cos(kHalfPi * x)), 3e-16L) << x;
  }
}

}  // namespace
}  // namespace favor::internal
