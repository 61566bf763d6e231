#include "favor/kernels/pack.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "favor/format/half_float.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "favor/kernels/pack.cc"
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

// Converts one row to float32, unscaled; callers' memory may be unaligned.
void LoadRow(const std::byte* source, DataType type, int64_t stride, int64_t dim, float* row) {
  if (type == DataType::kFloat32 && stride == 1) {
    std::memcpy(row, source, dim * sizeof(float));
    return;
  }
  for (int64_t l = 0; l < dim; ++l) row[l] = LoadValue(source + l * stride * SizeOf(type), type);
}

int64_t PackRows(const Rows& rows, float multiplier, bool clamp, float* out, int64_t stride) {
  const D d;
  const int64_t lanes = hn::Lanes(d);
  const V factor = hn::Set(d, multiplier);
  const V bound = hn::Set(d, clamp ? kMaxMagnitude : std::numeric_limits<float>::max());
  const V largest = hn::Set(d, std::numeric_limits<float>::max());
  for (int64_t t = 0; t < rows.count; ++t, out += stride) {
    LoadRow(rows.first + t * rows.row_stride * SizeOf(rows.type), rows.type, rows.dim_stride, rows.dim, out);
    std::memset(out + rows.dim, 0, (stride - rows.dim) * sizeof(float));
    auto finite = hn::FirstN(d, lanes);
    for (int64_t l = 0; l < stride; l += lanes) {
      const V x = hn::LoadU(d, out + l);
      finite = hn::And(finite, hn::Le(hn::Abs(x), largest));
      hn::StoreU(hn::Clamp(hn::Mul(x, factor), hn::Neg(bound), bound), d, out + l);
    }
    if (!hn::AllTrue(d, finite)) return t;
  }
  return rows.count;
}

void Transpose(const float* rows, int64_t stride, int64_t count, int64_t dim, float* tile) {
  for (int64_t l = 0; l < dim; ++l, tile += kTile) {
    int64_t t = 0;
    for (; t < count; ++t) tile[t] = rows[t * stride + l];
    for (; t < kTile; ++t) tile[t] = 0;
  }
}

void SquaredNorms(const float* tile, int64_t dim, float* norms) {
  const D d;
  for (int64_t t = 0; t < kTile; t += hn::Lanes(d)) {
    V sum = hn::Zero(d);
    for (int64_t l = 0; l < dim; ++l) {
      const V x = hn::LoadU(d, tile + l * kTile + t);
      sum = hn::MulAdd(x, x, sum);
    }
    hn::StoreU(sum, d, norms + t);
  }
}

// Writes a float32 row in out's type and strides.
void StoreRow(const float* row, const MutableRows& out, int64_t t) {
  std::byte* target = out.first + t * out.row_stride * SizeOf(out.type);
  if (out.type == DataType::kFloat32 && out.dim_stride == 1) {
    std::memcpy(target, row, out.dim * sizeof(float));
    return;
  }
  for (int64_t n = 0; n < out.dim; ++n, target += out.dim_stride * SizeOf(out.type)) {
    if (out.type == DataType::kFloat32) {
      std::memcpy(target, row + n, sizeof(float));
    } else {
      const uint16_t bits = out.type == DataType::kFloat16 ? Float16FromFloat32(row[n]) : BFloat16FromFloat32(row[n]);
      std::memcpy(target, &bits, sizeof(bits));
    }
  }
}

int64_t StoreNormalised(const float* sums, int64_t stride, const float* denominators, const MutableRows& out) {
  const D d;
  constexpr float kLargest = std::numeric_limits<float>::max();
  const V largest = hn::Set(d, kLargest);
  alignas(64) float row[1024];
  int64_t degenerate = 0;
  for (int64_t t = 0; t < out.count; ++t) {
    const bool positive = denominators[t] > 0 && denominators[t] <= kLargest;
    const V factor = hn::Set(d, positive ? 1.0f / denominators[t] : 0.0f);
    auto finite = hn::FirstN(d, hn::Lanes(d));
    for (int64_t n = 0; n < stride; n += hn::Lanes(d)) {
      const V x = hn::Mul(hn::LoadU(d, sums + t * stride + n), factor);
      finite = hn::And(finite, hn::Le(hn::Abs(x), largest));
      hn::StoreU(x, d, row + n);
    }
    if (!positive || !hn::AllTrue(d, finite)) {
      std::memset(row, 0, sizeof(row));
      ++degenerate;
    }
    StoreRow(row, out, t);
  }
  return degenerate;
}

}  // namespace HWY_NAMESPACE
}  // namespace favor::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace favor::kernels {
HWY_EXPORT(PackRows);
HWY_EXPORT(Transpose);
HWY_EXPORT(SquaredNorms);
HWY_EXPORT(StoreNormalised);

float LoadValue(const std::byte* address, DataType type) {
  if (type == DataType::kFloat32) {
    float value;
    std::memcpy(&value, address, sizeof(value));
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, address, sizeof(bits));
  return type == DataType::kFloat16 ? Float32FromFloat16(bits) : Float32FromBFloat16(bits);
}

int64_t PackRows(const Rows& rows, float multiplier, bool clamp, float* out, int64_t stride) {
  return HWY_DYNAMIC_DISPATCH(PackRows)(rows, multiplier, clamp, out, stride);
}
void Transpose(const float* rows, int64_t stride, int64_t count, int64_t dim, float* tile) {
  HWY_DYNAMIC_DISPATCH(Transpose)(rows, stride, count, dim, tile);
}
void SquaredNorms(const float* tile, int64_t dim, float* norms) {
  HWY_DYNAMIC_DISPATCH(SquaredNorms)(tile, dim, norms);
}
int64_t StoreNormalised(const float* sums, int64_t stride, const float* denominators, const MutableRows& out) {
  return HWY_DYNAMIC_DISPATCH(StoreNormalised)(sums, stride, denominators, out);
}

}  // namespace favor::kernels
#endif
