#include "favor/kernels/value_maps.h"

#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "favor/kernels/value_maps.cc"
#include "hwy/foreach_target.h"
// foreach_target comes first.
#include "favor/kernels/activations-inl.h"
#include "favor/kernels/simd_math-inl.h"
#include "favor/kernels/tile.h"
#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace favor::kernels {
namespace HWY_NAMESPACE {

constexpr float kLog2E = 1.44269504f;

struct SquaredRelu {
  V operator()(D d, V t) const {
    const V positive = hn::Max(t, hn::Zero(d));
    return hn::Mul(positive, positive);
  }
};
struct Abs {
  V operator()(D, V t) const { return hn::Abs(t); }
};
struct EluPlusOne {
  V operator()(D d, V t) const {
    const V below = Exp2(d, hn::Mul(hn::Min(t, hn::Zero(d)), hn::Set(d, kLog2E)));
    return hn::IfThenElse(hn::Gt(t, hn::Zero(d)), hn::Add(t, hn::Set(d, 1.0f)), below);
  }
};
// max(t, 0) + log(1 + exp(-|t|)): nothing overflows.
struct Softplus {
  V operator()(D d, V t) const {
    const V tail = hn::Log1p(d, Exp2(d, hn::Mul(hn::Abs(t), hn::Set(d, -kLog2E))));
    return hn::Add(hn::Max(t, hn::Zero(d)), tail);
  }
};
struct LeakyRelu {
  V operator()(D d, V t) const { return hn::Max(t, hn::Mul(t, hn::Set(d, 0.01f))); }
};

template <class Map>
HWY_INLINE void MapInPlace(Map map, float* tile, int64_t rows) {
  const D d;
  for (int64_t n = 0; n < rows * kTile; n += hn::Lanes(d)) hn::StoreU(map(d, hn::LoadU(d, tile + n)), d, tile + n);
}

void ReluMap(float* tile, int64_t rows) { MapInPlace(Relu(), tile, rows); }
void SquaredReluMap(float* tile, int64_t rows) { MapInPlace(SquaredRelu(), tile, rows); }
void AbsMap(float* tile, int64_t rows) { MapInPlace(Abs(), tile, rows); }
void GeluMap(float* tile, int64_t rows) { MapInPlace(Gelu(), tile, rows); }
void SigmoidMap(float* tile, int64_t rows) { MapInPlace(Sigmoid(), tile, rows); }
void EluPlusOneMap(float* tile, int64_t rows) { MapInPlace(EluPlusOne(), tile, rows); }
void GeluTanhMap(float* tile, int64_t rows) { MapInPlace(GeluTanh(), tile, rows); }
void SiluMap(float* tile, int64_t rows) { MapInPlace(Silu(), tile, rows); }
void SoftplusMap(float* tile, int64_t rows) { MapInPlace(Softplus(), tile, rows); }
void LeakyReluMap(float* tile, int64_t rows) { MapInPlace(LeakyRelu(), tile, rows); }

void CosineSineMap(float* tile, int64_t rows) {
  const D d;
  const V bound = hn::Set(d, 39000.0f);
  for (int64_t n = 0; n < rows * kTile; n += hn::Lanes(d)) {
    const V x = hn::Clamp(hn::LoadU(d, tile + n), hn::Neg(bound), bound);
    hn::StoreU(hn::Sin(d, x), d, tile + rows * kTile + n);
    hn::StoreU(hn::Cos(d, x), d, tile + n);
  }
}

void QuadraticMap(const float* x, int64_t dim, float constant, float linear, float quadratic, float* tile) {
  const D d;
  const V first_order = hn::Set(d, std::sqrt(linear));
  const V second_order = hn::Set(d, std::sqrt(quadratic)), mixed = hn::Set(d, std::sqrt(2 * quadratic));
  for (int64_t t = 0; t < kTile; t += hn::Lanes(d)) {
    float* out = tile + t;
    hn::StoreU(hn::Set(d, std::sqrt(constant)), d, out);
    for (int64_t l = 0; l < dim; ++l) {
      const V value = hn::LoadU(d, x + l * kTile + t);
      hn::StoreU(hn::Mul(first_order, value), d, out += kTile);
    }
    for (int64_t l = 0; l < dim; ++l) {
      const V value = hn::LoadU(d, x + l * kTile + t);
      hn::StoreU(hn::Mul(hn::Mul(second_order, value), value), d, out += kTile);
    }
    for (int64_t k = 0; k < dim; ++k) {
      const V scaled = hn::Mul(mixed, hn::LoadU(d, x + k * kTile + t));
      for (int64_t l = k + 1; l < dim; ++l) {
        hn::StoreU(hn::Mul(scaled, hn::LoadU(d, x + l * kTile + t)), d, out += kTile);
      }
    }
  }
}

void ScaleColumns(float* tile, int64_t rows, const float* factor) {
  const D d;
  for (int64_t t = 0; t < kTile; t += hn::Lanes(d)) {
    const V scale = hn::LoadU(d, factor + t);
    for (int64_t r = 0; r < rows; ++r) {
      float* at = tile + r * kTile + t;
      hn::StoreU(hn::Mul(hn::LoadU(d, at), scale), d, at);
    }
  }
}

void ColumnDots(const float* tile, int64_t rows, const float* key_sums, float* denominator) {
  const D d;
  for (int64_t t = 0; t < kTile; t += hn::Lanes(d)) {
    V sum = hn::Zero(d);
    for (int64_t r = 0; r < rows; ++r) {
      sum = hn::MulAdd(hn::LoadU(d, tile + r * kTile + t), hn::Set(d, key_sums[r]), sum);
    }
    hn::StoreU(sum, d, denominator + t);
  }
}

void TokenFactors(const float* fraction, const float* whole, float maximum, float* factor) {
  const D d;
  for (int64_t t = 0; t < kTile; t += hn::Lanes(d)) {
    const V shift = Pow2(d, hn::Sub(hn::LoadU(d, whole + t), hn::Set(d, maximum)));
    hn::StoreU(hn::Mul(Exp2Fraction(d, hn::LoadU(d, fraction + t)), shift), d, factor + t);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace favor::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace favor::kernels {

#define FAVOR_EXPORT_MAP(Name) \
  HWY_EXPORT(Name);            \
  void Name(float* tile, int64_t rows) { HWY_DYNAMIC_DISPATCH(Name)(tile, rows); }
FAVOR_EXPORT_MAP(ReluMap)
FAVOR_EXPORT_MAP(SquaredReluMap)
FAVOR_EXPORT_MAP(AbsMap)
FAVOR_EXPORT_MAP(GeluMap)
FAVOR_EXPORT_MAP(SigmoidMap)
FAVOR_EXPORT_MAP(EluPlusOneMap)
FAVOR_EXPORT_MAP(GeluTanhMap)
FAVOR_EXPORT_MAP(SiluMap)
FAVOR_EXPORT_MAP(SoftplusMap)
FAVOR_EXPORT_MAP(LeakyReluMap)
FAVOR_EXPORT_MAP(CosineSineMap)
#undef FAVOR_EXPORT_MAP

HWY_EXPORT(QuadraticMap);
HWY_EXPORT(ScaleColumns);
HWY_EXPORT(ColumnDots);
HWY_EXPORT(TokenFactors);

void QuadraticMap(const float* x, int64_t dim, float constant, float linear, float quadratic, float* tile) {
  HWY_DYNAMIC_DISPATCH(QuadraticMap)(x, dim, constant, linear, quadratic, tile);
}
void ScaleColumns(float* tile, int64_t rows, const float* factor) {
  HWY_DYNAMIC_DISPATCH(ScaleColumns)(tile, rows, factor);
}
void ColumnDots(const float* tile, int64_t rows, const float* key_sums, float* denominator) {
  HWY_DYNAMIC_DISPATCH(ColumnDots)(tile, rows, key_sums, denominator);
}
void TokenFactors(const float* fraction, const float* whole, float maximum, float* factor) {
  HWY_DYNAMIC_DISPATCH(TokenFactors)(fraction, whole, maximum, factor);
}

}  // namespace favor::kernels
#endif
