#include "favor/kernels/jackknife.h"

#include <algorithm>
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
RowMoments MomentsOf(const BlockContributions& blocks, const float* sums, float denominator, int64_t t) {
  const D d;
  float of_sums[kMaxJackknifeBlocks], of_output[kMaxJackknifeBlocks];
  for (int64_t b = 0; b < blocks.num_blocks; ++b) {
    const float own = blocks.denominators[b * kTile + t], rest = denominator - own;
    const bool is_all = rest < 1e-6f * denominator;  // without it nothing is left
    of_sums[b] = is_all ? 0 : -1 / rest;
    of_output[b] = is_all ? -1 : own / rest;
  }
  const V inverse = hn::Set(d, 1 / denominator);
  V squares = hn::Zero(d), squares_of_sums = hn::Zero(d), norms = hn::Zero(d);
  for (int64_t n = 0; n < blocks.stride; n += hn::Lanes(d)) {
    const V output = hn::Mul(hn::LoadU(d, sums + n), inverse);
    norms = hn::MulAdd(output, output, norms);
    V before = hn::Zero(d), total = hn::Zero(d);
    for (int64_t b = 0; b < blocks.num_blocks; ++b) {
      const V after = hn::LoadU(d, blocks.sums + (b * kTile + t) * blocks.stride + n);
      const V change =
          hn::MulAdd(hn::Set(d, of_sums[b]), hn::Sub(after, before), hn::Mul(hn::Set(d, of_output[b]), output));
      squares = hn::MulAdd(change, change, squares);
      total = hn::Add(total, change);
      before = after;
    }
    squares_of_sums = hn::MulAdd(total, total, squares_of_sums);
  }
  const float count = static_cast<float>(blocks.num_blocks);
  const float sum = hn::GetLane(hn::SumOfLanes(d, squares));
  const float sum_of_sums = hn::GetLane(hn::SumOfLanes(d, squares_of_sums));
  return {(count - 1) / count * std::max(sum - sum_of_sums / count, 0.0f), hn::GetLane(hn::SumOfLanes(d, norms)), 0};
}

void JackknifeMoments(const BlockContributions& blocks, const float* sums, const float* denominators, int64_t begin,
                      int64_t end, RowMoments* moments) {
  for (int64_t t = begin; t < end; ++t) {
    const bool usable = denominators[t] > 0 && std::isfinite(denominators[t]);
    moments[t] = usable ? MomentsOf(blocks, sums + t * blocks.stride, denominators[t], t) : RowMoments{};
    if (!std::isfinite(moments[t].variance) || !std::isfinite(moments[t].squared_norm)) moments[t] = {};
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace favor::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace favor::kernels {
HWY_EXPORT(JackknifeMoments);

void JackknifeMoments(const BlockContributions& blocks, const float* sums, const float* denominators, int64_t begin,
                      int64_t end, RowMoments* moments) {
  HWY_DYNAMIC_DISPATCH(JackknifeMoments)(blocks, sums, denominators, begin, end, moments);
}

}  // namespace favor::kernels
#endif
