#include "favor/kernels/jackknife.h"

#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "favor/kernels/jackknife.cc"
#include "hwy/foreach_target.h"
// foreach_target comes first.
#include "favor/kernels/simd_math-inl.h"
#include "favor/kernels/tile.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace favor::kernels {
namespace HWY_NAMESPACE {

// o_b - o = (o d_b - n_b) / (D - d_b), o = N / D the output of the whole.
RowMoments MomentsOf(const HalfContributions& halves, const float* sums, float denominator, int64_t t) {
  const D d;
  float own[2], per_rest[2];
  bool is_all[2];
  for (int b = 0; b < 2; ++b) {
    own[b] = halves.denominators[b * kTile + t];
    const float rest = denominator - own[b];
    is_all[b] = rest < 1e-6f * denominator;  // without it nothing is left: o_b - o is -o
    per_rest[b] = is_all[b] ? 0 : 1 / rest;
  }
  const V inverse = hn::Set(d, 1 / denominator), own_first = hn::Set(d, own[0]), own_second = hn::Set(d, own[1]);
  const V first_factor = hn::Set(d, per_rest[0]), second_factor = hn::Set(d, per_rest[1]);
  const V gone = hn::Set(d, static_cast<float>(is_all[1]) - static_cast<float>(is_all[0]));
  const float *after_first = halves.after_first + t * halves.stride,
              *after_both = halves.after_both + t * halves.stride;
  V squares = hn::Zero(d), norms = hn::Zero(d);
  for (int64_t n = 0; n < halves.stride; n += hn::Lanes(d)) {
    const V output = hn::Mul(hn::LoadU(d, sums + n), inverse);
    const V first = hn::LoadU(d, after_first + n), second = hn::Sub(hn::LoadU(d, after_both + n), first);
    V difference = hn::Mul(hn::MulSub(output, own_first, first), first_factor);
    difference = hn::NegMulAdd(hn::MulSub(output, own_second, second), second_factor, difference);
    difference = hn::MulAdd(output, gone, difference);
    squares = hn::MulAdd(difference, difference, squares);
    norms = hn::MulAdd(output, output, norms);
  }
  return {hn::GetLane(hn::SumOfLanes(d, squares)) / 4, hn::GetLane(hn::SumOfLanes(d, norms)), 0};
}

void JackknifeMoments(const HalfContributions& halves, const float* sums, const float* denominators, int64_t begin,
                      int64_t end, RowMoments* moments) {
  for (int64_t t = begin; t < end; ++t) {
    const bool usable = denominators[t] > 0 && std::isfinite(denominators[t]);
    moments[t] = usable ? MomentsOf(halves, sums + t * halves.stride, denominators[t], t) : RowMoments{};
    if (!std::isfinite(moments[t].variance) || !std::isfinite(moments[t].squared_norm)) moments[t] = {};
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace favor::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace favor::kernels {
HWY_EXPORT(JackknifeMoments);

void JackknifeMoments(const HalfContributions& halves, const float* sums, const float* denominators, int64_t begin,
                      int64_t end, RowMoments* moments) {
  HWY_DYNAMIC_DISPATCH(JackknifeMoments)(halves, sums, denominators, begin, end, moments);
}

}  // namespace favor::kernels
#endif
