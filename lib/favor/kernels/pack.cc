#include "favor/kernels/pack.h"

#include <bit>
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
using DI = hn::RebindToSigned<D>;
using VI = hn::Vec<DI>;

// Whether half floats are converted by instructions; the emulations are not exact throughout.
constexpr bool kNativeHalf = HWY_TARGET <= HWY_AVX2 || HWY_ARCH_ARM_A64;

// Longest padded row: head_dim and value_dim go to 512.
constexpr int64_t kMaxRow = 512;

// Whole registers of a row as float32; memory may be unaligned.
HWY_INLINE V LoadFloats(D d, const float* source) { return hn::LoadU(d, source); }
HWY_INLINE V LoadFloats([[maybe_unused]] D d, const hwy::float16_t* source) {
  return hn::PromoteTo(d, hn::LoadU(hn::Rebind<hwy::float16_t, D>(), source));
}
HWY_INLINE V LoadFloats(D d, const hwy::bfloat16_t* source) {
  return hn::PromoteTo(d, hn::LoadU(hn::Rebind<hwy::bfloat16_t, D>(), source));
}

// Packs rows that are contiguous: converted and, if kScale, scaled and clamped.
template <bool kScale>
struct RowPacker {
  RowPacker(float multiplier, bool clamp)
      : factor(hn::Set(D(), multiplier)),
        bound(hn::Set(D(), clamp ? kMaxMagnitude : std::numeric_limits<float>::max())) {}

  // Answers whether the row is finite.
  template <typename T>
  HWY_INLINE bool Pack(const T* source, int64_t dim, float* out, int64_t stride) const {
    const D d;
    const DI di;
    const int64_t lanes = hn::Lanes(d);
    VI largest = hn::Zero(di);  // magnitudes compare as their bits
    int64_t l = 0;
    for (; l + lanes <= dim; l += lanes) PackRegister(LoadFloats(d, source + l), out + l, largest);
    alignas(64) T rest[kPad] = {};
    for (; l < stride; l += lanes) {
      if (l < dim) std::memcpy(rest, source + l, (dim - l) * sizeof(T));
      PackRegister(l < dim ? LoadFloats(d, rest) : hn::Zero(d), out + l, largest);
    }
    constexpr int32_t kInfinity = 0x7F800000;
    return hn::AllTrue(di, hn::Lt(largest, hn::Set(di, kInfinity)));
  }

  HWY_INLINE void PackRegister(V x, float* out, VI& largest) const {
    largest = hn::Max(largest, hn::BitCast(DI(), hn::Abs(x)));
    hn::StoreU(kScale ? hn::Clamp(hn::Mul(x, factor), hn::Neg(bound), bound) : x, D(), out);
  }

  V factor, bound;
};

template <typename T, class Packer>
int64_t PackContiguous(const Rows& rows, const Packer& packer, float* out, int64_t stride) {
  for (int64_t t = 0; t < rows.count; ++t) {
    const std::byte* source = rows.first + t * rows.row_stride * static_cast<int64_t>(sizeof(T));
    if (!packer.Pack(reinterpret_cast<const T*>(source), rows.dim, out + t * stride, stride)) return t;
  }
  return rows.count;
}

// Rows whose dims are not neighbours.
template <class Packer>
int64_t PackStrided(const Rows& rows, const Packer& packer, float* out, int64_t stride) {
  alignas(64) float row[kMaxRow];
  for (int64_t t = 0; t < rows.count; ++t) {
    const std::byte* source = rows.first + t * rows.row_stride * SizeOf(rows.type);
    for (int64_t l = 0; l < rows.dim; ++l)
      row[l] = LoadValue(source + l * rows.dim_stride * SizeOf(rows.type), rows.type);
    if (!packer.Pack(row, rows.dim, out + t * stride, stride)) return t;
  }
  return rows.count;
}

template <class Packer>
int64_t PackWith(const Rows& rows, const Packer& packer, float* out, int64_t stride) {
  // The scalar target loads single elements, which may be unaligned: by bytes.
  if (HWY_TARGET == HWY_SCALAR || (rows.dim_stride != 1 && rows.dim > 1)) {
    return PackStrided(rows, packer, out, stride);
  }
  switch (rows.type) {
    case DataType::kFloat16:
      if constexpr (kNativeHalf) return PackContiguous<hwy::float16_t>(rows, packer, out, stride);
      return PackStrided(rows, packer, out, stride);
    case DataType::kBFloat16:
      return PackContiguous<hwy::bfloat16_t>(rows, packer, out, stride);
    default:
      return PackContiguous<float>(rows, packer, out, stride);
  }
}

int64_t PackRows(const Rows& rows, float multiplier, bool clamp, float* out, int64_t stride) {
  if (multiplier == 1.0f && !clamp) return PackWith(rows, RowPacker<false>(multiplier, clamp), out, stride);
  return PackWith(rows, RowPacker<true>(multiplier, clamp), out, stride);
}

// out[i * out_stride + j] = in[j * in_stride + i] for a square of 4.
HWY_INLINE void TransposeSquare(const float* in, int64_t in_stride, float* out, int64_t out_stride) {
#if HWY_TARGET == HWY_SCALAR
  for (int64_t i = 0; i < 4; ++i) {
    for (int64_t j = 0; j < 4; ++j) out[i * out_stride + j] = in[j * in_stride + i];
  }
#else
  const hn::FixedTag<float, 4> d;
  const hn::Repartition<double, decltype(d)> dd;
  const auto a = hn::LoadU(d, in), b = hn::LoadU(d, in + in_stride);
  const auto c = hn::LoadU(d, in + 2 * in_stride), e = hn::LoadU(d, in + 3 * in_stride);
  const auto ab_low = hn::BitCast(dd, hn::InterleaveLower(d, a, b)),
             ab_high = hn::BitCast(dd, hn::InterleaveUpper(d, a, b));
  const auto ce_low = hn::BitCast(dd, hn::InterleaveLower(d, c, e)),
             ce_high = hn::BitCast(dd, hn::InterleaveUpper(d, c, e));
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(dd, ab_low, ce_low)), d, out);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(dd, ab_low, ce_low)), d, out + out_stride);
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(dd, ab_high, ce_high)), d, out + 2 * out_stride);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(dd, ab_high, ce_high)), d, out + 3 * out_stride);
#endif
}

void Transpose(const float* rows, int64_t stride, int64_t count, int64_t dim, float* tile, int64_t width) {
  for (int64_t t = 0; t < width; t += 4) {
    int64_t l = 0;
    if (t + 4 <= count) {
      for (; l + 4 <= dim; l += 4) TransposeSquare(rows + t * stride + l, stride, tile + l * width + t, width);
    }
    for (; l < dim; ++l) {
      for (int64_t i = t; i < t + 4; ++i) tile[l * width + i] = i < count ? rows[i * stride + l] : 0.0f;
    }
  }
}

void SquaredNorms(const float* tile, int64_t dim, int64_t width, float* norms) {
  const D d;
  for (int64_t t = 0; t < width; t += hn::Lanes(d)) {
    V sum = hn::Zero(d);
    for (int64_t l = 0; l < dim; ++l) {
      const V x = hn::LoadU(d, tile + l * width + t);
      sum = hn::MulAdd(x, x, sum);
    }
    hn::StoreU(sum, d, norms + t);
  }
}

// One float32 value in out's type.
void StoreValue(float value, DataType type, std::byte* target) {
  if (type == DataType::kFloat32) {
    std::memcpy(target, &value, sizeof(value));
    return;
  }
  const uint16_t bits = type == DataType::kFloat16 ? Float16FromFloat32(value) : BFloat16FromFloat32(value);
  std::memcpy(target, &bits, sizeof(bits));
}

// A register of finite floats as bfloat16, to nearest, ties to even.
HWY_INLINE void StoreBFloat16(V x, uint16_t* out) {
  const hn::RebindToUnsigned<D> du;
  const hn::Rebind<uint16_t, D> dh;
  const auto bits = hn::BitCast(du, x);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1u));
  const auto rounded = hn::ShiftRight<16>(hn::Add(bits, hn::Add(odd, hn::Set(du, 0x7FFFu))));
  hn::StoreU(hn::TruncateTo(dh, rounded), dh, out);
}

// Writes a float32 row, padded to whole registers, in out's type and strides.
void StoreRow(const float* row, const MutableRows& out, int64_t t) {
  const D d;
  const int64_t lanes = hn::Lanes(d);
  std::byte* target = out.first + t * out.row_stride * SizeOf(out.type);
  int64_t n = 0;
  if (out.dim_stride == 1 && out.type == DataType::kFloat32) {
    std::memcpy(target, row, out.dim * sizeof(float));
    return;
  }
  const bool contiguous = out.dim_stride == 1 && HWY_TARGET != HWY_SCALAR;
  if (contiguous && out.type == DataType::kBFloat16) {
    for (; n + lanes <= out.dim; n += lanes) {
      StoreBFloat16(hn::Load(d, row + n), reinterpret_cast<uint16_t*>(target) + n);
    }
  }
  if (kNativeHalf && contiguous && out.type == DataType::kFloat16) {
    const hn::Rebind<hwy::float16_t, D> dh;
    for (; n + lanes <= out.dim; n += lanes) {
      hn::StoreU(hn::DemoteTo(dh, hn::Load(d, row + n)), dh, reinterpret_cast<hwy::float16_t*>(target) + n);
    }
  }
  for (; n < out.dim; ++n) StoreValue(row[n], out.type, target + n * out.dim_stride * SizeOf(out.type));
}

// The largest float that does not become infinity in this type: from half a step above its own largest on, they do.
float LargestThatFits(DataType type) {
  if (type == DataType::kFloat32) return std::numeric_limits<float>::max();
  return std::bit_cast<float>(type == DataType::kFloat16 ? 0x477FEFFFu : 0x7F7F7FFFu);
}

int64_t StoreNormalised(const float* sums, int64_t stride, const float* denominators, const MutableRows& out,
                        Denominators allowed) {
  const D d;
  constexpr float kLargest = std::numeric_limits<float>::max();
  const V largest = hn::Set(d, LargestThatFits(out.type));
  alignas(64) float row[kMaxRow];
  int64_t degenerate = 0;
  for (int64_t t = 0; t < out.count; ++t) {
    const float size = allowed == Denominators::kPositive ? denominators[t] : std::abs(denominators[t]);
    const bool divides = size > 0 && size <= kLargest;
    const V factor = hn::Set(d, divides ? 1.0f / denominators[t] : 0.0f);
    auto finite = hn::Eq(largest, largest);
    for (int64_t n = 0; n < stride; n += hn::Lanes(d)) {
      // + 0 makes 0 of -0, whose sign would tell of keys that the query does not see.
      const V x = hn::Add(hn::Mul(hn::LoadU(d, sums + t * stride + n), factor), hn::Zero(d));
      finite = hn::And(finite, hn::Le(hn::Abs(x), largest));
      hn::Store(x, d, row + n);
    }
    if (!divides || !hn::AllTrue(d, finite)) {
      std::memset(row, 0, stride * sizeof(float));
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

void Prefetch(const Rows& rows) {
  constexpr int64_t kLine = 64;
  if (rows.dim_stride != 1) return;
  const int64_t bytes = rows.dim * SizeOf(rows.type);
  for (int64_t t = 0; t < rows.count; ++t) {
    const std::byte* row = rows.first + t * rows.row_stride * SizeOf(rows.type);
    for (int64_t i = 0; i < bytes; i += kLine) __builtin_prefetch(row + i, /*rw=*/0, /*locality=*/2);
  }
}

int64_t PackRows(const Rows& rows, float multiplier, bool clamp, float* out, int64_t stride) {
  return HWY_DYNAMIC_DISPATCH(PackRows)(rows, multiplier, clamp, out, stride);
}
void Transpose(const float* rows, int64_t stride, int64_t count, int64_t dim, float* tile, int64_t width) {
  HWY_DYNAMIC_DISPATCH(Transpose)(rows, stride, count, dim, tile, width);
}
void SquaredNorms(const float* tile, int64_t dim, int64_t width, float* norms) {
  HWY_DYNAMIC_DISPATCH(SquaredNorms)(tile, dim, width, norms);
}
int64_t StoreNormalised(const float* sums, int64_t stride, const float* denominators, const MutableRows& out,
                        Denominators allowed) {
  return HWY_DYNAMIC_DISPATCH(StoreNormalised)(sums, stride, denominators, out, allowed);
}

}  // namespace favor::kernels
#endif
