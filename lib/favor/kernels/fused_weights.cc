#include "favor/kernels/fused_weights.h"

#include <algorithm>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "favor/kernels/fused_weights.cc"
#include "hwy/foreach_target.h"
// foreach_target comes first.
#include "favor/kernels/register_block-inl.h"
#include "favor/kernels/simd_math-inl.h"
#include "favor/kernels/tile.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace favor::kernels {
namespace HWY_NAMESPACE {

using DI = hn::RebindToSigned<D>;
using VI = hn::Vec<DI>;

// Rows that are projected before their weights are formed, or one block of a structured projection: small enough to be
// in L1 still.
constexpr int64_t kChunk = 64;
constexpr int64_t kLargestChunk = 512;

// Whole numbers up to this keep every exponent formed from them far inside int32, and one formed with a |u| that is too
// large to be rounded below, 2^22, far above any range.
constexpr float kLargestWhole = 1048576.0f;  // 2^20
// Stands for minus infinity among such integers.
constexpr int32_t kNoInteger = -(1 << 28);

// 1.5 * 2^23: adding it rounds to the nearest whole number and leaves that number in the low bits.
constexpr float kRounder = 12582912.0f;
constexpr int32_t kRounderBits = 0x4B400000;

// The exponent from which down weights are 0. g++ makes three instructions of a comparison with a constant that it
// knows.
HWY_INLINE VI Underflow() {
  int32_t exponent = -126;
#if defined(__GNUC__)
  asm("" : "+r"(exponent));
#endif
  return hn::Set(DI(), exponent);
}

// u[g] <- 2^(u[g] + shift), by integer arithmetic on the exponent bits, where exponent[g] comes in as the shift less
// kRounderBits; 0 from an exponent of `underflow` down. `worst` keeps the largest exponent. A |u| beyond 2^22, infinite
// or NaN makes an exponent above any caller's range, or for u towards minus infinity a weight of 0.
//
// G at a time, step by step: one weight is a chain of a dozen dependent operations, longer than the CPU looks ahead.
template <int G>
HWY_INLINE void Weights(VI underflow, V (&u)[G], VI (&exponent)[G], VI& worst) {
  const D d;
  const DI di;
  V p[G];
  FAVOR_UNROLL
  for (int g = 0; g < G; ++g) {
    const V rounded = hn::Add(u[g], hn::Set(d, kRounder));
    u[g] = hn::Sub(u[g], hn::Sub(rounded, hn::Set(d, kRounder)));
    exponent[g] = hn::Add(hn::BitCast(di, rounded), exponent[g]);
  }
  FAVOR_UNROLL
  for (int g = 0; g < G; ++g) {
    p[g] = hn::MulAdd(hn::Set(d, kExp2Coefficients[0]), u[g], hn::Set(d, kExp2Coefficients[1]));
    worst = hn::Max(worst, exponent[g]);
  }
  FAVOR_UNROLL
  for (int c = 2; c < 7; ++c) {
    FAVOR_UNROLL
    for (int g = 0; g < G; ++g) p[g] = hn::MulAdd(p[g], u[g], hn::Set(d, kExp2Coefficients[c]));
  }
  FAVOR_UNROLL
  for (int g = 0; g < G; ++g) {
    const VI bits = hn::Add(hn::BitCast(di, p[g]), hn::ShiftLeft<23>(exponent[g]));
    u[g] = hn::BitCast(d, hn::IfThenElseZero(hn::Gt(exponent[g], underflow), bits));
  }
}

// Whole floats as integers; NoExponent and below become kNoInteger. Answers whether they are in range.
template <bool kNegate>
HWY_INLINE bool ToIntegers(const float* values, int64_t count, int32_t offset, int32_t* integers) {
  const D d;
  const DI di;
  const V bound = hn::Set(d, kLargestWhole), none = hn::Set(d, kNoExponent);
  auto good = hn::Eq(bound, bound);
  for (int64_t n = 0; n < count; n += hn::Lanes(d)) {
    const V x = hn::LoadU(d, values + n);
    const auto absent = hn::Le(x, none);
    good = hn::And(good, hn::Or(absent, hn::Le(hn::Abs(x), bound)));
    const V clamped = hn::Clamp(kNegate ? hn::Neg(x) : x, hn::Neg(bound), bound);
    const VI whole = hn::Add(hn::ConvertTo(di, clamped), hn::Set(di, offset));
    hn::Store(hn::IfThenElse(hn::RebindMask(di, absent), hn::Set(di, kNoInteger + offset), whole), di, integers + n);
  }
  return hn::AllTrue(d, good);
}

// The rows' whole numbers, `sign` times, as integers; kNoInteger for the row past an odd last one, which is weighed
// along with it. False when one is out of range.
HWY_INLINE bool RowIntegers(const float* wholes, int64_t rows, float sign, int32_t* integers) {
  bool good = true;
  for (int64_t i = 0; i < rows; ++i) {
    const bool inside = std::abs(wholes[i]) <= kLargestWhole;
    good &= inside;
    integers[i] = static_cast<int32_t>(inside ? sign * wholes[i] : 0.0f);
  }
  integers[rows] = kNoInteger;
  return good;
}

// Registers of tokens, or rows, whose weights are formed together. Columns come in multiples of kPad: one register of
// the widest.
constexpr int kTokenGroup = HWY_TARGET <= HWY_AVX3 ? 1 : 2;
constexpr int kRowGroup = 2;

// Weights of one row of keys; returns their sum.
HWY_INLINE float KeyRow(float* u, int64_t cols, const int32_t* tokens, VI row, VI underflow, VI& worst) {
  const D d;
  const DI di;
  const int64_t lanes = hn::Lanes(d);
  V sum = hn::Zero(d);
  for (int64_t t = 0; t < cols; t += kTokenGroup * lanes) {
    V weight[kTokenGroup];
    VI exponent[kTokenGroup];
    FAVOR_UNROLL
    for (int g = 0; g < kTokenGroup; ++g) {
      weight[g] = hn::LoadU(d, u + t + g * lanes);
      exponent[g] = hn::Add(hn::Load(di, tokens + t + g * lanes), row);
    }
    Weights(underflow, weight, exponent, worst);
    FAVOR_UNROLL
    for (int g = 0; g < kTokenGroup; ++g) {
      hn::StoreU(weight[g], d, u + t + g * lanes);
      sum = hn::Add(sum, weight[g]);
    }
  }
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

// Gives rows that have no maximum yet the exponent of their first weight. False when that one is out of range.
bool TakeFirstExponents(const float* u, int64_t stride, int64_t rows, float whole, float* maxima) {
  for (int64_t r = 0; r < rows; ++r) {
    if (maxima[r] != kNoExponent) continue;
    const float exponent = std::nearbyint(u[r * stride]) + whole;
    if (!(std::abs(exponent) <= kLargestWhole)) return false;
    maxima[r] = exponent;
  }
  return true;
}

bool ProjectKeyWeights(const Projector& w, const float* x, int64_t stride, int64_t cols, const float* fraction,
                       const float* whole, float* maxima, float* weights, float* row_sums) {
  const DI di;
  alignas(64) int32_t tokens[kFoldTile], rows[kLargestChunk + 1];
  const int64_t step = w.GrainsIn(kChunk);
  if (!ToIntegers<false>(whole, cols, -kRounderBits, tokens)) return false;
  const VI underflow = Underflow();
  VI worst = hn::Set(di, kNoInteger);
  for (int64_t begin = 0; begin < w.rows(); begin += step) {
    const int64_t count = std::min(step, w.rows() - begin);
    float* u = weights + begin * stride;
    w.Slice(begin, count).Project(x, stride, cols, fraction, u);
    if (!TakeFirstExponents(u, stride, count, whole[0], maxima + begin)) return false;
    if (!RowIntegers(maxima + begin, count, -1.0f, rows)) return false;
    for (int64_t r = 0; r < count; ++r) {
      row_sums[begin + r] = KeyRow(u + r * stride, cols, tokens, hn::Set(di, rows[r]), underflow, worst);
    }
  }
  return hn::GetLane(hn::MaxOfLanes(di, worst)) <= static_cast<int32_t>(kMaxRise);
}

// One register of tokens of a chunk of queries, whose weights are formed and summed.
HWY_INLINE void QueryColumn(float* u, int64_t stride, int64_t count, const int32_t* token, const int32_t* rows,
                            const float* key_sums, float* denominator, int32_t* largest) {
  const D d;
  const DI di;
  const VI own = hn::Load(di, token), underflow = Underflow();
  VI worst = hn::Load(di, largest);
  V sum = hn::LoadU(d, denominator);
  for (int64_t r = 0; r < count; r += kRowGroup, u += kRowGroup * stride) {
    V weight[kRowGroup];
    VI exponent[kRowGroup];
    FAVOR_UNROLL
    for (int g = 0; g < kRowGroup; ++g) {
      weight[g] = hn::LoadU(d, u + g * stride);
      exponent[g] = hn::Add(own, hn::Set(di, rows[r + g]));
    }
    Weights(underflow, weight, exponent, worst);
    FAVOR_UNROLL
    for (int g = 0; g < kRowGroup; ++g) {
      hn::StoreU(weight[g], d, u + g * stride);
      sum = hn::MulAdd(weight[g], hn::Set(d, key_sums[r + g]), sum);
    }
  }
  hn::Store(worst, di, largest);
  hn::StoreU(sum, d, denominator);
}

bool ProjectQueryWeights(const Projector& w, const float* x, int64_t stride, int64_t cols, const float* maxima,
                         const float* key_sums, const float* guess, float* weights, float* denominators) {
  alignas(64) int32_t tokens[kTile], largest[kTile], rows[kLargestChunk + 1];
  float sums[kLargestChunk + 1];
  const int64_t step = w.GrainsIn(kChunk);
  if (!ToIntegers<true>(guess, cols, -kRounderBits, tokens)) return false;
  std::fill_n(largest, kTile, kNoInteger);
  std::fill_n(denominators, cols, 0.0f);
  for (int64_t begin = 0; begin < w.rows(); begin += step) {
    const int64_t count = std::min(step, w.rows() - begin);
    if (!RowIntegers(maxima + begin, count, 1.0f, rows)) return false;
    std::copy_n(key_sums + begin, count, sums);
    sums[count] = 0;  // read with an odd last row
    float* u = weights + begin * stride;
    w.Slice(begin, count).Project(x, stride, cols, nullptr, u);
    for (int64_t t = 0; t < cols; t += hn::Lanes(D())) {
      QueryColumn(u + t, stride, count, tokens + t, rows, sums, denominators + t, largest + t);
    }
  }
  const auto [low, high] = std::minmax_element(largest, largest + cols);
  return *low >= static_cast<int32_t>(kGuessTooHigh) && *high <= static_cast<int32_t>(kGuessTooLow);
}

void GuessQueryMaxima(const float* x, int64_t depth, int64_t stride, int64_t cols, const float* maxima, int64_t rows,
                      float* guess) {
  const D d;
  const V deviations = hn::Set(d, 2.5f);
  const V largest = hn::Set(d, *std::max_element(maxima, maxima + rows) + 14);
  for (int64_t t = 0; t < cols; t += hn::Lanes(d)) {
    V square = hn::Zero(d);
    for (int64_t l = 0; l < depth; ++l) {
      const V value = hn::LoadU(d, x + l * stride + t);
      square = hn::MulAdd(value, value, square);
    }
    hn::StoreU(hn::Round(hn::MulAdd(hn::Sqrt(square), deviations, largest)), d, guess + t);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace favor::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace favor::kernels {
HWY_EXPORT(ProjectKeyWeights);
HWY_EXPORT(GuessQueryMaxima);
HWY_EXPORT(ProjectQueryWeights);

bool ProjectKeyWeights(const Projector& w, const float* x, int64_t stride, int64_t cols, const float* fraction,
                       const float* whole, float* maxima, float* weights, float* row_sums) {
  return HWY_DYNAMIC_DISPATCH(ProjectKeyWeights)(w, x, stride, cols, fraction, whole, maxima, weights, row_sums);
}
void GuessQueryMaxima(const float* x, int64_t depth, int64_t stride, int64_t cols, const float* maxima, int64_t rows,
                      float* guess) {
  HWY_DYNAMIC_DISPATCH(GuessQueryMaxima)(x, depth, stride, cols, maxima, rows, guess);
}
bool ProjectQueryWeights(const Projector& w, const float* x, int64_t stride, int64_t cols, const float* maxima,
                         const float* key_sums, const float* guess, float* weights, float* denominators) {
  return HWY_DYNAMIC_DISPATCH(ProjectQueryWeights)(w, x, stride, cols, maxima, key_sums, guess, weights, denominators);
}
}  // namespace favor::kernels
#endif
