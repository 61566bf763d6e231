#include "favor/kernels/elementwise.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "favor/kernels/elementwise.cc"
#include "hwy/foreach_target.h"
// foreach_target comes first.
#include "favor/kernels/tile.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace favor::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using D = hn::CappedTag<float, kPad>;
using V = hn::Vec<D>;

void MultiplyBy(const float* x, int64_t count, float* y) {
  const D d;
  for (int64_t i = 0; i < count; i += hn::Lanes(d)) {
    hn::StoreU(hn::Mul(hn::LoadU(d, x + i), hn::LoadU(d, y + i)), d, y + i);
  }
}

void AddTo(const float* x, int64_t count, float* y) {
  const D d;
  for (int64_t i = 0; i < count; i += hn::Lanes(d)) {
    hn::StoreU(hn::Add(hn::LoadU(d, x + i), hn::LoadU(d, y + i)), d, y + i);
  }
}

void Rotate(const float* cosines, const float* sines, float* first, float* second) {
  const D d;
  for (int64_t t = 0; t < kTile; t += hn::Lanes(d)) {
    const V cosine = hn::LoadU(d, cosines + t), sine = hn::LoadU(d, sines + t);
    const V a = hn::LoadU(d, first + t), b = hn::LoadU(d, second + t);
    hn::StoreU(hn::NegMulAdd(b, sine, hn::Mul(a, cosine)), d, first + t);
    hn::StoreU(hn::MulAdd(a, sine, hn::Mul(b, cosine)), d, second + t);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace favor::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace favor::kernels {
HWY_EXPORT(MultiplyBy);
HWY_EXPORT(AddTo);
HWY_EXPORT(Rotate);

void MultiplyBy(const float* x, int64_t count, float* y) { HWY_DYNAMIC_DISPATCH(MultiplyBy)(x, count, y); }
void AddTo(const float* x, int64_t count, float* y) { HWY_DYNAMIC_DISPATCH(AddTo)(x, count, y); }
void Rotate(const float* cosines, const float* sines, float* first, float* second) {
  HWY_DYNAMIC_DISPATCH(Rotate)(cosines, sines, first, second);
}

}  // namespace favor::kernels
#endif  // HWY_ONCE
