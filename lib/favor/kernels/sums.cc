#include "favor/kernels/sums.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "favor/kernels/sums.cc"
#include "hwy/foreach_target.h"
// foreach_target comes first.
#include "favor/kernels/simd_math-inl.h"
#include "favor/kernels/tile.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace favor::kernels {
namespace HWY_NAMESPACE {

HWY_INLINE void CompensatedStep(D d, V addend, float* sums, float* compensation) {
  const V sum = hn::LoadU(d, sums);
  const V corrected = hn::Sub(addend, hn::LoadU(d, compensation));
  const V total = hn::Add(sum, corrected);
  hn::StoreU(hn::Sub(hn::Sub(total, sum), corrected), d, compensation);
  hn::StoreU(total, d, sums);
}

HWY_INLINE void CompensatedStep(float addend, float* sum, float* compensation) {
  const float corrected = addend - *compensation;
  const float total = *sum + corrected;
  *compensation = (total - *sum) - corrected;
  *sum = total;
}

void AddCompensated(const float* addends, int64_t count, float* sums, float* compensation) {
  const D d;
  const int64_t lanes = hn::Lanes(d);
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) CompensatedStep(d, hn::LoadU(d, addends + i), sums + i, compensation + i);
  for (; i < count; ++i) CompensatedStep(addends[i], sums + i, compensation + i);
}

void MergeCompensated(const float* other_sums, const float* other_compensation, int64_t count, float other_exponent,
                      float* sums, float* compensation, float exponent) {
  const D d;
  const V factor = Pow2(d, hn::Set(d, exponent)), other_factor = Pow2(d, hn::Set(d, other_exponent));
  for (int64_t i = 0; i < count; i += hn::Lanes(d)) {
    const V a = hn::Mul(hn::LoadU(d, sums + i), factor), b = hn::Mul(hn::LoadU(d, other_sums + i), other_factor);
    // Knuth's TwoSum: a + b = total + error exactly, whichever is larger, so neither comes first.
    const V total = hn::Add(a, b);
    const V b_part = hn::Sub(total, a);
    const V error = hn::Add(hn::Sub(a, hn::Sub(total, b_part)), hn::Sub(b, b_part));
    const V both = hn::Add(hn::Mul(hn::LoadU(d, compensation + i), factor),
                           hn::Mul(hn::LoadU(d, other_compensation + i), other_factor));
    const V rest = hn::Sub(both, error);
    const V sum = hn::Sub(total, rest);
    hn::StoreU(hn::Add(hn::Sub(sum, total), rest), d, compensation + i);
    hn::StoreU(sum, d, sums + i);
  }
}

void AddRowSums(const float* weights, int64_t rows, int64_t width, int64_t begin, int64_t end, float* sums,
                float* compensation) {
  const D d;
  const int64_t lanes = hn::Lanes(d);
  const V first = hn::Set(d, static_cast<float>(begin)), last = hn::Set(d, static_cast<float>(end));
  for (int64_t r = 0; r < rows; ++r) {
    V sum = hn::Zero(d);
    for (int64_t t = begin / lanes * lanes; t < end; t += lanes) {
      const V position = hn::Iota(d, static_cast<float>(t));
      const auto inside = hn::And(hn::Ge(position, first), hn::Lt(position, last));
      sum = hn::Add(sum, hn::IfThenElseZero(inside, hn::LoadU(d, weights + r * width + t)));
    }
    CompensatedStep(hn::GetLane(hn::SumOfLanes(d, sum)), sums + r, compensation + r);
  }
}

void AddColumnSums(const float* rows, int64_t count, int64_t stride, float* sums, float* compensation) {
  const D d;
  for (int64_t n = 0; n < stride; n += hn::Lanes(d)) {
    V sum = hn::Zero(d);
    for (int64_t t = 0; t < count; ++t) sum = hn::Add(sum, hn::LoadU(d, rows + t * stride + n));
    CompensatedStep(d, sum, sums + n, compensation + n);
  }
}

void AddScaledRows(const float* rows, int64_t count, int64_t stride, const float* exponents, float* sums) {
  const D d;
  for (int64_t t = 0; t < count; ++t) {
    const V factor = Pow2(d, hn::Set(d, exponents[t]));
    for (int64_t n = t * stride; n < (t + 1) * stride; n += hn::Lanes(d)) {
      hn::StoreU(hn::MulAdd(hn::LoadU(d, rows + n), factor, hn::LoadU(d, sums + n)), d, sums + n);
    }
  }
}

void ScaleRow(float* row, int64_t count, float exponent) {
  const D d;
  const V factor = Pow2(d, hn::Set(d, exponent));
  for (int64_t n = 0; n < count; n += hn::Lanes(d)) hn::StoreU(hn::Mul(hn::LoadU(d, row + n), factor), d, row + n);
}

}  // namespace HWY_NAMESPACE
}  // namespace favor::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace favor::kernels {
HWY_EXPORT(AddCompensated);
HWY_EXPORT(AddRowSums);
HWY_EXPORT(AddColumnSums);
HWY_EXPORT(AddScaledRows);
HWY_EXPORT(MergeCompensated);
HWY_EXPORT(ScaleRow);

void AddCompensated(const float* addends, int64_t count, float* sums, float* compensation) {
  HWY_DYNAMIC_DISPATCH(AddCompensated)(addends, count, sums, compensation);
}
void AppendCompensated(const float* addends, const float* addend_compensation, int64_t count, float* sums,
                       float* compensation) {
  for (int64_t i = 0; i < count; ++i) compensation[i] += addend_compensation[i];
  AddCompensated(addends, count, sums, compensation);
}
void AddRowSums(const float* weights, int64_t rows, int64_t width, int64_t begin, int64_t end, float* sums,
                float* compensation) {
  HWY_DYNAMIC_DISPATCH(AddRowSums)(weights, rows, width, begin, end, sums, compensation);
}
void AddColumnSums(const float* rows, int64_t count, int64_t stride, float* sums, float* compensation) {
  HWY_DYNAMIC_DISPATCH(AddColumnSums)(rows, count, stride, sums, compensation);
}
void AddScaledRows(const float* rows, int64_t count, int64_t stride, const float* exponents, float* sums) {
  HWY_DYNAMIC_DISPATCH(AddScaledRows)(rows, count, stride, exponents, sums);
}
void MergeCompensated(const float* other_sums, const float* other_compensation, int64_t count, float other_exponent,
                      float* sums, float* compensation, float exponent) {
  HWY_DYNAMIC_DISPATCH(MergeCompensated)
  (other_sums, other_compensation, count, other_exponent, sums, compensation, exponent);
}
void ScaleRow(float* row, int64_t count, float exponent) { HWY_DYNAMIC_DISPATCH(ScaleRow)(row, count, exponent); }

}  // namespace favor::kernels
#endif
