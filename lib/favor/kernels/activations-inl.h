// Per-target include guard, as Highway's pattern has it.
#if defined(FAVOR_KERNELS_ACTIVATIONS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FAVOR_KERNELS_ACTIVATIONS_INL_H_
#undef FAVOR_KERNELS_ACTIVATIONS_INL_H_
#else
#define FAVOR_KERNELS_ACTIVATIONS_INL_H_
#endif

#include "favor/kernels/simd_math-inl.h"
#include "favor/kernels/tile.h"
#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace favor::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using D = hn::CappedTag<float, kPad>;
using V = hn::Vec<D>;

// Element-wise functions that are feature maps as well as activations of dense layers.

struct Relu {
  V operator()(D d, V t) const { return hn::Max(t, hn::Zero(d)); }
};
struct Sigmoid {
  V operator()(D d, V t) const {
    const V bounded = hn::Clamp(t, hn::Set(d, -88.0f), hn::Set(d, 88.0f));
    const V one = hn::Set(d, 1.0f);
    return hn::Div(one, hn::Add(one, hn::Exp(d, hn::Neg(bounded))));
  }
};
struct Silu {
  V operator()(D d, V t) const { return hn::Mul(t, Sigmoid()(d, t)); }
};
// t Phi(t) with Phi(t) = 1 - erfc(t / sqrt 2) / 2. erfc by Abramowitz & Stegun 7.1.26, |error| <= 1.5e-7.
struct Gelu {
  V operator()(D d, V t) const {
    const V one = hn::Set(d, 1.0f);
    const V z = hn::Mul(hn::Min(hn::Abs(t), hn::Set(d, 12.0f)), hn::Set(d, 0.707106781f));
    const V k = hn::Div(one, hn::MulAdd(z, hn::Set(d, 0.3275911f), one));
    V p = hn::Set(d, 1.061405429f);
    p = hn::MulAdd(p, k, hn::Set(d, -1.453152027f));
    p = hn::MulAdd(p, k, hn::Set(d, 1.421413741f));
    p = hn::MulAdd(p, k, hn::Set(d, -0.284496736f));
    p = hn::MulAdd(p, k, hn::Set(d, 0.254829592f));
    const V half_erfc =
        hn::Mul(hn::Mul(hn::Mul(p, k), hn::Set(d, 0.5f)), Exp2(d, hn::Mul(hn::Mul(z, z), hn::Set(d, -1.44269504f))));
    const V phi = hn::IfThenElse(hn::Gt(t, hn::Zero(d)), hn::Sub(one, half_erfc), half_erfc);
    return hn::Mul(t, phi);
  }
};
// t / 2 (1 + tanh(sqrt(2 / pi) (t + 0.044715 t^3))), which is t sigmoid of twice that argument.
struct GeluTanh {
  V operator()(D d, V t) const {
    const V bounded = hn::Clamp(t, hn::Set(d, -12.0f), hn::Set(d, 12.0f));
    const V cubic = hn::MulAdd(hn::Mul(bounded, bounded), hn::Set(d, 0.0713548162726f), hn::Set(d, 1.59576912161f));
    return hn::Mul(t, Sigmoid()(d, hn::Mul(bounded, cubic)));
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace favor::kernels
HWY_AFTER_NAMESPACE();

#endif  // FAVOR_KERNELS_ACTIVATIONS_INL_H_
