// Per-target include guard, as Highway's pattern has it.
#if defined(FAVOR_KERNELS_SIMD_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FAVOR_KERNELS_SIMD_MATH_INL_H_
#undef FAVOR_KERNELS_SIMD_MATH_INL_H_
#else
#define FAVOR_KERNELS_SIMD_MATH_INL_H_
#endif

#include "favor/kernels/tile.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace favor::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using D = hn::CappedTag<float, kPad>;
using V = hn::Vec<D>;

// Coefficients of 2^f for f in [-1/2, 1/2], from the highest down to f^1; f^0 has 1. Minimax, relative error 2e-9
// before rounding.
constexpr float kExp2Coefficients[] = {1.5345812e-4f, 1.33999309e-3f, 9.6184891e-3f, 5.55032864e-2f,
                                       0.240226462f,  0.693147182f,   1.0f};

// 2^f for f in [-1/2, 1/2]; relative error at most 1.2e-7.
HWY_INLINE V Exp2Fraction(D d, V f) {
  V p = hn::Set(d, kExp2Coefficients[0]);
  for (int c = 1; c < 7; ++c) p = hn::MulAdd(p, f, hn::Set(d, kExp2Coefficients[c]));
  return p;
}

// 2^e for whole e: exact from -126 to 127, 0 below, 2^127 above. Scaling by it is an exponent shift, so a result does
// not depend on the running maximum it was formed with.
HWY_INLINE V Pow2(D d, V e) {
  const hn::RebindToSigned<D> di;
  const V clamped = hn::Min(hn::Max(e, hn::Set(d, -127.0f)), hn::Set(d, 127.0f));
  return hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(hn::ConvertTo(di, clamped), hn::Set(di, 127))));
}

// 2^x, relative error 1.2e-7 plus 2^-24 |x|; 0 below -126.5.
HWY_INLINE V Exp2(D d, V x) {
  const V whole = hn::Round(x);
  return hn::Mul(Exp2Fraction(d, hn::Sub(x, whole)), Pow2(d, whole));
}

}  // namespace HWY_NAMESPACE
}  // namespace favor::kernels
HWY_AFTER_NAMESPACE();

#endif  // FAVOR_KERNELS_SIMD_MATH_INL_H_
