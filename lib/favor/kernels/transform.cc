#include "favor/kernels/transform.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "favor/kernels/transform.cc"
#include "hwy/foreach_target.h"
// foreach_target comes first.
#include "favor/kernels/pack.h"
#include "favor/kernels/simd_math-inl.h"
#include "favor/kernels/tile.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace favor::kernels {
namespace HWY_NAMESPACE {

void ShiftScaleRows(float* rows, int64_t count, int64_t stride, int64_t dim, const float* shift, const float* factors) {
  const D d;
  for (int64_t t = 0; t < count; ++t, rows += stride) {
    for (int64_t l = 0; l < Padded(dim); l += hn::Lanes(d)) {
      V x = hn::LoadU(d, rows + l);
      if (shift != nullptr) x = hn::Sub(x, hn::LoadU(d, shift + l));
      if (factors != nullptr) x = hn::Mul(x, hn::LoadU(d, factors + l));
      hn::StoreU(x, d, rows + l);
    }
  }
}

void ClampValues(float* values, int64_t count) {
  const D d;
  const V bound = hn::Set(d, kMaxMagnitude);
  for (int64_t n = 0; n < count; n += hn::Lanes(d)) {
    hn::StoreU(hn::Clamp(hn::LoadU(d, values + n), hn::Neg(bound), bound), d, values + n);
  }
}

void WeightedSquaredNorms(const float* tile, const float* weights, int64_t dim, int64_t width, float* norms) {
  const D d;
  for (int64_t t = 0; t < width; t += hn::Lanes(d)) {
    V sum = hn::Zero(d);
    for (int64_t l = 0; l < dim; ++l) {
      const V x = hn::LoadU(d, tile + l * width + t);
      sum = hn::MulAdd(hn::Mul(x, hn::Set(d, weights[l])), x, sum);
    }
    hn::StoreU(sum, d, norms + t);
  }
}

void ScaleTileRows(float* tile, int64_t rows, const float* factors) {
  const D d;
  for (int64_t r = 0; r < rows; ++r, tile += kTile) {
    const V factor = hn::Set(d, factors[r]);
    for (int64_t t = 0; t < kTile; t += hn::Lanes(d)) hn::StoreU(hn::Mul(hn::LoadU(d, tile + t), factor), d, tile + t);
  }
}

void NegateRows(const float* tile, int64_t rows, float* negated) {
  const D d;
  for (int64_t n = 0; n < rows * kTile; n += hn::Lanes(d)) {
    hn::StoreU(hn::Neg(hn::LoadU(d, tile + n)), d, negated + n);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace favor::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace favor::kernels {
HWY_EXPORT(ShiftScaleRows);
HWY_EXPORT(ClampValues);
HWY_EXPORT(WeightedSquaredNorms);
HWY_EXPORT(ScaleTileRows);
HWY_EXPORT(NegateRows);

void ShiftScaleRows(float* rows, int64_t count, int64_t stride, int64_t dim, const float* shift, const float* factors) {
  HWY_DYNAMIC_DISPATCH(ShiftScaleRows)(rows, count, stride, dim, shift, factors);
}
void ClampValues(float* values, int64_t count) { HWY_DYNAMIC_DISPATCH(ClampValues)(values, count); }
void WeightedSquaredNorms(const float* tile, const float* weights, int64_t dim, int64_t width, float* norms) {
  HWY_DYNAMIC_DISPATCH(WeightedSquaredNorms)(tile, weights, dim, width, norms);
}
void ScaleTileRows(float* tile, int64_t rows, const float* factors) {
  HWY_DYNAMIC_DISPATCH(ScaleTileRows)(tile, rows, factors);
}
void NegateRows(const float* tile, int64_t rows, float* negated) {
  HWY_DYNAMIC_DISPATCH(NegateRows)(tile, rows, negated);
}

}  // namespace favor::kernels
#endif
