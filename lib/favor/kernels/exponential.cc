#include "favor/kernels/exponential.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "favor/kernels/exponential.cc"
#include "hwy/foreach_target.h"
// foreach_target comes first.
#include "favor/kernels/fused_weights.h"
#include "favor/kernels/simd_math-inl.h"
#include "favor/kernels/tile.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace favor::kernels {
namespace HWY_NAMESPACE {

// Tokens are walked in groups of three registers: what belongs to a token stays in registers while rows pass.
constexpr int kGroup = 3;

// 2^f 2^exponent for f in [-1/2, 1/2] and a whole exponent; 0 from -126 down.
HWY_INLINE V Weight(D d, V f, V exponent) {
  const auto visible = hn::Gt(exponent, hn::Set(d, -126.0f));
  return hn::IfThenElseZero(visible, hn::Mul(Exp2Fraction(d, f), Pow2(d, exponent)));
}

// KeyWeights() of G registers of tokens.
template <int G>
HWY_INLINE void KeyColumns(float* u, int64_t rows, int64_t stride, const float* fraction, const float* whole,
                           const float* maxima, float* excess) {
  const D d;
  const int64_t lanes = hn::Lanes(d);
  V low[G], high[G], worst[G];
  for (int j = 0; j < G; ++j) {
    low[j] = hn::LoadU(d, fraction + j * lanes);
    high[j] = hn::LoadU(d, whole + j * lanes);
    worst[j] = hn::Set(d, kNoExponent);
  }
  for (int64_t r = 0; r < rows; ++r, u += stride) {
    const V maximum = hn::Set(d, maxima[r]);
    for (int j = 0; j < G; ++j) {
      const V x = hn::Add(hn::LoadU(d, u + j * lanes), low[j]);
      const V i = hn::Round(x);
      const V exponent = hn::Sub(hn::Add(i, high[j]), maximum);
      worst[j] = hn::Max(worst[j], exponent);
      hn::StoreU(Weight(d, hn::Sub(x, i), exponent), d, u + j * lanes);
    }
  }
  for (int j = 0; j < G; ++j) hn::StoreU(worst[j], d, excess + j * lanes);
}

void KeyWeights(float* u, int64_t rows, int64_t stride, int64_t cols, const float* fraction, const float* whole,
                const float* maxima, float* excess) {
  const int64_t lanes = hn::Lanes(D());
  int64_t t = 0;
  for (; t + kGroup * lanes <= cols; t += kGroup * lanes) {
    KeyColumns<kGroup>(u + t, rows, stride, fraction + t, whole + t, maxima, excess + t);
  }
  for (; t < cols; t += lanes) KeyColumns<1>(u + t, rows, stride, fraction + t, whole + t, maxima, excess + t);
}

void RaiseMaxima(const float* u, int64_t rows, int64_t width, int64_t begin, int64_t end, const float* fraction,
                 const float* whole, float rise, float* maxima, float* shift) {
  const D d;
  const int64_t lanes = hn::Lanes(d);
  const V first = hn::Set(d, static_cast<float>(begin)), last = hn::Set(d, static_cast<float>(end));
  for (int64_t r = 0; r < rows; ++r) {
    V largest = hn::Set(d, kNoExponent);
    for (int64_t t = begin / lanes * lanes; t < end; t += lanes) {
      const V x = hn::Add(hn::LoadU(d, u + r * width + t), hn::LoadU(d, fraction + t));
      const V exponent = hn::Add(hn::Round(x), hn::LoadU(d, whole + t));
      const V position = hn::Iota(d, static_cast<float>(t));
      const auto inside = hn::And(hn::Ge(position, first), hn::Lt(position, last));
      largest = hn::Max(largest, hn::IfThenElse(inside, exponent, hn::Set(d, kNoExponent)));
    }
    const float exponent = hn::GetLane(hn::MaxOfLanes(d, largest));
    shift[r] = 0;
    if (exponent - maxima[r] > rise) {
      shift[r] = maxima[r] - exponent;
      maxima[r] = exponent;
    }
  }
}

void QueryWeights(float* u, int64_t rows, const float* maxima, const float* key_sums, bool guessed, float* reference,
                  float* denominator) {
  const D d;
  const int64_t lanes = hn::Lanes(d);
  for (int64_t t = 0; t < kTile; t += kGroup * lanes) {
    V largest[kGroup], sum[kGroup];
    for (int j = 0; j < kGroup; ++j) {
      largest[j] = hn::Set(d, kMaskedExponent);
      sum[j] = hn::Zero(d);
    }
    for (int64_t r = 0; r < rows; ++r) {
      const V maximum = hn::Set(d, maxima[r]);
      for (int j = 0; j < kGroup; ++j) {
        const V x = hn::LoadU(d, u + r * kTile + t + j * lanes);
        largest[j] = hn::Max(largest[j], hn::Add(hn::Round(x), maximum));
      }
    }
    for (int j = 0; j < kGroup; ++j) {
      if (guessed) {
        const V guess = hn::LoadU(d, reference + t + j * lanes);
        const V above = hn::Sub(largest[j], guess);
        const auto good = hn::And(hn::Ge(above, hn::Set(d, kGuessTooHigh)), hn::Le(above, hn::Set(d, kGuessTooLow)));
        largest[j] = hn::IfThenElse(good, guess, largest[j]);
      }
      hn::StoreU(largest[j], d, reference + t + j * lanes);
    }
    for (int64_t r = 0; r < rows; ++r) {
      const V maximum = hn::Set(d, maxima[r]);
      const V key_sum = hn::Set(d, key_sums[r]);
      float* row = u + r * kTile + t;
      for (int j = 0; j < kGroup; ++j) {
        const V x = hn::LoadU(d, row + j * lanes);
        const V i = hn::Round(x);
        const V exponent = hn::Sub(hn::Add(i, maximum), largest[j]);
        const V p = Weight(d, hn::Sub(x, i), exponent);
        sum[j] = hn::MulAdd(p, key_sum, sum[j]);
        hn::StoreU(p, d, row + j * lanes);
      }
    }
    for (int j = 0; j < kGroup; ++j) hn::StoreU(sum[j], d, denominator + t + j * lanes);
  }
}

void StabilisedQueryWeights(float* u, int64_t rows, bool exponential, const float* offset, const float* epsilon,
                            const float* row_factor, const float* key_sums, float* denominator, float* total) {
  const D d;
  const int64_t lanes = hn::Lanes(d);
  for (int64_t t = 0; t < kTile; t += lanes) {
    const V shift = hn::LoadU(d, offset + t), eps = hn::LoadU(d, epsilon + t);
    V sum = hn::Zero(d), all = hn::Zero(d);
    for (int64_t r = 0; r < rows; ++r) {
      const V x = hn::LoadU(d, u + r * kTile + t);
      const V feature = hn::Add(exponential ? Exp2(d, hn::Sub(x, shift)) : x, eps);
      const V p = hn::Mul(feature, hn::Set(d, row_factor[r]));
      all = hn::Add(all, feature);
      sum = hn::MulAdd(p, hn::Set(d, key_sums[r]), sum);
      hn::StoreU(p, d, u + r * kTile + t);
    }
    hn::StoreU(sum, d, denominator + t);
    hn::StoreU(all, d, total + t);
  }
}

void ColumnMaxima(const float* u, int64_t rows, float* maximum) {
  const D d;
  for (int64_t t = 0; t < kTile; t += hn::Lanes(d)) {
    V largest = hn::LoadU(d, maximum + t);
    for (int64_t r = 0; r < rows; ++r) largest = hn::Max(largest, hn::LoadU(d, u + r * kTile + t));
    hn::StoreU(largest, d, maximum + t);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace favor::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace favor::kernels {
HWY_EXPORT(KeyWeights);
HWY_EXPORT(RaiseMaxima);
HWY_EXPORT(QueryWeights);
HWY_EXPORT(StabilisedQueryWeights);
HWY_EXPORT(ColumnMaxima);

void KeyWeights(float* u, int64_t rows, int64_t stride, int64_t cols, const float* fraction, const float* whole,
                const float* maxima, float* excess) {
  HWY_DYNAMIC_DISPATCH(KeyWeights)(u, rows, stride, cols, fraction, whole, maxima, excess);
}
void RaiseMaxima(const float* u, int64_t rows, int64_t width, int64_t begin, int64_t end, const float* fraction,
                 const float* whole, float rise, float* maxima, float* shift) {
  HWY_DYNAMIC_DISPATCH(RaiseMaxima)(u, rows, width, begin, end, fraction, whole, rise, maxima, shift);
}
void QueryWeights(float* u, int64_t rows, const float* maxima, const float* key_sums, bool guessed, float* reference,
                  float* denominator) {
  HWY_DYNAMIC_DISPATCH(QueryWeights)(u, rows, maxima, key_sums, guessed, reference, denominator);
}
void StabilisedQueryWeights(float* u, int64_t rows, bool exponential, const float* offset, const float* epsilon,
                            const float* row_factor, const float* key_sums, float* denominator, float* total) {
  HWY_DYNAMIC_DISPATCH(StabilisedQueryWeights)
  (u, rows, exponential, offset, epsilon, row_factor, key_sums, denominator, total);
}
void ColumnMaxima(const float* u, int64_t rows, float* maximum) {
  HWY_DYNAMIC_DISPATCH(ColumnMaxima)(u, rows, maximum);
}

}  // namespace favor::kernels
#endif
