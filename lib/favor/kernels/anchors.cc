#include "favor/kernels/anchors.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "favor/kernels/anchors.cc"
#include "hwy/foreach_target.h"
// foreach_target comes first.
#include "favor/kernels/simd_math-inl.h"
#include "favor/kernels/tile.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace favor::kernels {
namespace HWY_NAMESPACE {

void MultiplyRows(const float* rows, int64_t count, int64_t stride, int64_t cols, const float* factors, float* out) {
  const D d;
  for (int64_t r = 0; r < count; ++r, rows += stride, out += stride) {
    for (int64_t t = 0; t < cols; t += hn::Lanes(d)) {
      hn::StoreU(hn::Mul(hn::LoadU(d, rows + t), hn::LoadU(d, factors + t)), d, out + t);
    }
  }
}

void NearestRows(const float* scores, int64_t count, int64_t stride, int64_t cols, const float* offsets,
                 int32_t* nearest) {
  const D d;
  const hn::RebindToSigned<D> di;
  for (int64_t t = 0; t < cols; t += hn::Lanes(d)) {
    V best = hn::Sub(hn::LoadU(d, scores + t), hn::Set(d, offsets[0]));
    auto index = hn::Zero(di);
    for (int64_t r = 1; r < count; ++r) {
      const V score = hn::Sub(hn::LoadU(d, scores + r * stride + t), hn::Set(d, offsets[r]));
      const auto better = hn::Gt(score, best);
      best = hn::IfThenElse(better, score, best);
      index = hn::IfThenElse(hn::RebindMask(di, better), hn::Set(di, static_cast<int32_t>(r)), index);
    }
    hn::StoreU(index, di, nearest + t);
  }
}

void SquaredDistances(const float* tile, int64_t dim, int64_t width, const float* centre, float* distances) {
  const D d;
  for (int64_t t = 0; t < width; t += hn::Lanes(d)) {
    V sum = hn::Zero(d);
    for (int64_t l = 0; l < dim; ++l) {
      const V difference = hn::Sub(hn::LoadU(d, tile + l * width + t), hn::Set(d, centre[l]));
      sum = hn::MulAdd(difference, difference, sum);
    }
    hn::StoreU(sum, d, distances + t);
  }
}

void RowSquaredNorms(const float* rows, int64_t count, int64_t stride, float* norms) {
  const D d;
  for (int64_t t = 0; t < count; ++t, rows += stride) {
    V sum = hn::Zero(d);
    for (int64_t l = 0; l < stride; l += hn::Lanes(d)) {
      const V x = hn::LoadU(d, rows + l);
      sum = hn::MulAdd(x, x, sum);
    }
    norms[t] = hn::GetLane(hn::SumOfLanes(d, sum));
  }
}

void CovarianceRow(const float* compensation, int64_t cols, float weight, float a, const float* means, float* sums) {
  const D d;
  const V per_weight = hn::Set(d, 1.0f / weight), factor = hn::Set(d, a);
  for (int64_t n = 0; n < cols; n += hn::Lanes(d)) {
    const V sum = hn::Sub(hn::LoadU(d, sums + n), hn::LoadU(d, compensation + n));
    hn::StoreU(hn::NegMulAdd(factor, hn::LoadU(d, means + n), hn::Mul(sum, per_weight)), d, sums + n);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace favor::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace favor::kernels {
HWY_EXPORT(MultiplyRows);
HWY_EXPORT(NearestRows);
HWY_EXPORT(SquaredDistances);
HWY_EXPORT(RowSquaredNorms);
HWY_EXPORT(CovarianceRow);

void MultiplyRows(const float* rows, int64_t count, int64_t stride, int64_t cols, const float* factors, float* out) {
  HWY_DYNAMIC_DISPATCH(MultiplyRows)(rows, count, stride, cols, factors, out);
}
void NearestRows(const float* scores, int64_t count, int64_t stride, int64_t cols, const float* offsets,
                 int32_t* nearest) {
  HWY_DYNAMIC_DISPATCH(NearestRows)(scores, count, stride, cols, offsets, nearest);
}
void SquaredDistances(const float* tile, int64_t dim, int64_t width, const float* centre, float* distances) {
  HWY_DYNAMIC_DISPATCH(SquaredDistances)(tile, dim, width, centre, distances);
}
void RowSquaredNorms(const float* rows, int64_t count, int64_t stride, float* norms) {
  HWY_DYNAMIC_DISPATCH(RowSquaredNorms)(rows, count, stride, norms);
}
void CovarianceRow(const float* compensation, int64_t cols, float weight, float a, const float* means, float* sums) {
  HWY_DYNAMIC_DISPATCH(CovarianceRow)(compensation, cols, weight, a, means, sums);
}

}  // namespace favor::kernels
#endif
