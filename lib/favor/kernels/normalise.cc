#include "favor/kernels/normalise.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "favor/kernels/normalise.cc"
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

// Sum of f(x_l) over the values of each token in the lanes; four running sums hide the latency of the addition.
template <class F>
HWY_INLINE V SumOver(const float* x, int64_t dim, F f) {
  const D d;
  V sums[4] = {hn::Zero(d), hn::Zero(d), hn::Zero(d), hn::Zero(d)};
  int64_t l = 0;
  for (; l + 4 <= dim; l += 4) {
    for (int i = 0; i < 4; ++i) sums[i] = f(hn::LoadU(d, x + (l + i) * kTile), sums[i]);
  }
  for (; l < dim; ++l) sums[0] = f(hn::LoadU(d, x + l * kTile), sums[0]);
  return hn::Add(hn::Add(sums[0], sums[1]), hn::Add(sums[2], sums[3]));
}

void LayerNorm(const float* x, int64_t dim, const float* gain, const float* bias, float epsilon, float* y) {
  const D d;
  const V share = hn::Set(d, 1.0f / static_cast<float>(dim));
  for (int64_t t = 0; t < kTile; t += hn::Lanes(d), x += hn::Lanes(d), y += hn::Lanes(d)) {
    const V mean = hn::Mul(share, SumOver(x, dim, [](V value, V sum) { return hn::Add(sum, value); }));
    const V variance = hn::Mul(share, SumOver(x, dim, [mean](V value, V sum) {
                                 const V centred = hn::Sub(value, mean);
                                 return hn::MulAdd(centred, centred, sum);
                               }));
    const V scale = hn::Div(hn::Set(d, 1.0f), hn::Sqrt(hn::Add(variance, hn::Set(d, epsilon))));
    for (int64_t l = 0; l < dim; ++l) {
      const V normal = hn::Mul(hn::Sub(hn::LoadU(d, x + l * kTile), mean), scale);
      hn::StoreU(hn::MulAdd(normal, hn::Set(d, gain[l]), hn::Set(d, bias[l])), d, y + l * kTile);
    }
  }
}

void RmsNorm(const float* x, int64_t dim, const float* gain, float epsilon, float* y) {
  const D d;
  const V share = hn::Set(d, 1.0f / static_cast<float>(dim));
  for (int64_t t = 0; t < kTile; t += hn::Lanes(d), x += hn::Lanes(d), y += hn::Lanes(d)) {
    const V squares = SumOver(x, dim, [](V value, V sum) { return hn::MulAdd(value, value, sum); });
    const V scale = hn::Div(hn::Set(d, 1.0f), hn::Sqrt(hn::MulAdd(share, squares, hn::Set(d, epsilon))));
    for (int64_t l = 0; l < dim; ++l) {
      const V normal = hn::Mul(hn::LoadU(d, x + l * kTile), scale);
      hn::StoreU(hn::Mul(normal, hn::Set(d, gain[l])), d, y + l * kTile);
    }
  }
}

void ScaleNorm(const float* x, int64_t dim, float gain, float epsilon, float* y) {
  const D d;
  for (int64_t t = 0; t < kTile; t += hn::Lanes(d), x += hn::Lanes(d), y += hn::Lanes(d)) {
    const V norm = hn::Sqrt(SumOver(x, dim, [](V value, V sum) { return hn::MulAdd(value, value, sum); }));
    const V scale = hn::Div(hn::Set(d, gain), hn::Max(norm, hn::Set(d, epsilon)));
    for (int64_t l = 0; l < dim; ++l) hn::StoreU(hn::Mul(hn::LoadU(d, x + l * kTile), scale), d, y + l * kTile);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace favor::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace favor::kernels {
HWY_EXPORT(LayerNorm);
HWY_EXPORT(RmsNorm);
HWY_EXPORT(ScaleNorm);

void LayerNorm(const float* x, int64_t dim, const float* gain, const float* bias, float epsilon, float* y) {
  HWY_DYNAMIC_DISPATCH(LayerNorm)(x, dim, gain, bias, epsilon, y);
}
void RmsNorm(const float* x, int64_t dim, const float* gain, float epsilon, float* y) {
  HWY_DYNAMIC_DISPATCH(RmsNorm)(x, dim, gain, epsilon, y);
}
void ScaleNorm(const float* x, int64_t dim, float gain, float epsilon, float* y) {
  HWY_DYNAMIC_DISPATCH(ScaleNorm)(x, dim, gain, epsilon, y);
}

}  // namespace favor::kernels
#endif  // HWY_ONCE
