#include "favor/kernels/hadamard.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "favor/kernels/hadamard.cc"
#include "hwy/foreach_target.h"
// foreach_target comes first.
#include "favor/kernels/register_block-inl.h"
#include "favor/kernels/tile.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace favor::kernels {
namespace HWY_NAMESPACE {

// What a pass does besides adding: to the rows coming in, or to those going out.
enum class Factors { kNone, kSigned, kScaled };

// The butterflies of R rows in registers. Half of them as multiply-adds, by 1 where there are no signs to apply: CPUs
// that have ports of their own for additions then use both kinds.
template <int R, bool kSigned>
HWY_INLINE void Butterflies(V (&v)[R], const float* signs, int64_t step) {
  const D d;
  FAVOR_UNROLL
  for (int k = 0; k < R; k += 2) {
    const V a = kSigned ? hn::Mul(v[k], hn::Set(d, signs[k * step])) : v[k];
    const V sign = hn::Set(d, kSigned ? signs[(k + 1) * step] : 1.0f);
    const V b = v[k + 1];
    v[k] = hn::MulAdd(b, sign, a);
    v[k + 1] = hn::NegMulAdd(b, sign, a);
  }
  FAVOR_UNROLL
  for (int half = 2; half < R; half *= 2) {
    FAVOR_UNROLL
    for (int k = 0; k < R; ++k) {
      if ((k & half) != 0) continue;
      const V a = v[k], b = v[k + half];
      v[k] = hn::Add(a, b);
      v[k + half] = hn::Sub(a, b);
    }
  }
}

// One pass over kSize rows of kPad columns: the butterflies of log2(R) bits of the row number, those of kStep, 2 kStep
// ... Inlined, so that the strides of the scratch are constants. factors: the signs of the rows coming in or the scales
// of those going out; first: what the latter are added to, by column.
template <int kSize, int kStep, int R, Factors kFactors>
HWY_INLINE void RunPass(const float* in, int64_t in_stride, float* out, int64_t out_stride, const float* factors,
                        const float* first) {
  constexpr bool kSigned = kFactors == Factors::kSigned;
  const D d;
  const int64_t lanes = hn::Lanes(d);
  for (int64_t outer = 0; outer < kSize; outer += R * kStep) {
    for (int64_t row = outer; row < outer + kStep; ++row) {
      const float* signs = kSigned ? factors + row : nullptr;  // without factors there is nothing to step through
      FAVOR_UNROLL
      for (int64_t t = 0; t < kPad; t += lanes) {
        const float* from = in + row * in_stride + t;
        float* to = out + row * out_stride + t;
        V v[R];
        FAVOR_UNROLL
        for (int k = 0; k < R; ++k) v[k] = hn::LoadU(d, from + k * kStep * in_stride);
        Butterflies<R, kSigned>(v, signs, kStep);
        FAVOR_UNROLL
        for (int k = 0; k < R; ++k) {
          if constexpr (kFactors == Factors::kScaled) {
            v[k] = hn::MulAdd(v[k], hn::Set(d, factors[row + k * kStep]), hn::LoadU(d, first + t));
          }
          hn::StoreU(v[k], d, to + k * kStep * out_stride);
        }
      }
    }
  }
}

constexpr int Log2(int size) { return size == 1 ? 0 : 1 + Log2(size / 2); }

// Bits of the row number that the pass from kStep on takes: 5 = 3 + 2, 6 = 3 + 3, 7 = 3 + 2 + 2, 8 = 3 + 3 + 2.
constexpr int BitsOfPass(int left) { return left == 4 || left == 2 ? 2 : 3; }

// The passes of H that follow the first, in `scratch`; with kScaled the last one goes to u.
template <int kSize, int kStep, bool kScaled>
HWY_INLINE void RunRest(float* scratch, float* u, int64_t stride, const float* scales, const float* first) {
  if constexpr (kStep < kSize) {
    constexpr int kLeft = Log2(kSize / kStep), kBits = BitsOfPass(kLeft);
    if constexpr (kScaled && kBits == kLeft) {
      RunPass<kSize, kStep, 1 << kBits, Factors::kScaled>(scratch, kPad, u, stride, scales, first);
    } else {
      RunPass<kSize, kStep, 1 << kBits, Factors::kNone>(scratch, kPad, scratch, kPad, nullptr, nullptr);
      RunRest<kSize, (kStep << kBits), kScaled>(scratch, u, stride, scales, first);
    }
  }
}

// One block of kSize rows for kPad columns: u = first + scales (H D1 H D2 H D3 x); x has kSize rows.
template <int kSize>
HWY_NOINLINE void TransformColumns(const float* x, int64_t x_stride, const float* signs, const float* scales,
                                   const float* first, float* u, int64_t stride) {
  constexpr int kFirst = 1 << BitsOfPass(Log2(kSize));
  alignas(64) float scratch[kSize * kPad];
  RunPass<kSize, 1, kFirst, Factors::kSigned>(x, x_stride, scratch, kPad, signs + 2 * kSize, nullptr);
  RunRest<kSize, kFirst, false>(scratch, nullptr, 0, nullptr, nullptr);
  RunPass<kSize, 1, kFirst, Factors::kSigned>(scratch, kPad, scratch, kPad, signs + kSize, nullptr);
  RunRest<kSize, kFirst, false>(scratch, nullptr, 0, nullptr, nullptr);
  RunPass<kSize, 1, kFirst, Factors::kSigned>(scratch, kPad, scratch, kPad, signs, nullptr);
  RunRest<kSize, kFirst, true>(scratch, u, stride, scales, first);
}

template <int kSize>
void ProjectBlocks(const HadamardBlocks& w, const float* x, int64_t stride, int64_t cols, const float* first,
                   float* u) {
  static constexpr float kZeros[kPad] = {};
  alignas(64) float padded[kSize * kPad];  // columns of x with the rows that it lacks
  for (int64_t t = 0; t < cols; t += kPad) {
    const float* columns = x + t;
    int64_t columns_stride = stride;
    if (w.depth < kSize) {
      for (int64_t l = 0; l < w.depth; ++l) std::copy_n(x + l * stride + t, kPad, padded + l * kPad);
      std::fill(padded + w.depth * kPad, padded + kSize * kPad, 0.0f);
      columns = padded;
      columns_stride = kPad;
    }
    for (int64_t begin = 0; begin < w.rows; begin += kSize) {
      TransformColumns<kSize>(columns, columns_stride, w.signs + 3 * begin, w.row_scales + begin,
                              first == nullptr ? kZeros : first + t, u + begin * stride + t, stride);
    }
  }
}

void ProjectHadamard(const HadamardBlocks& w, const float* x, int64_t stride, int64_t cols, const float* first,
                     float* u) {
  switch (w.size) {
    case 32:
      return ProjectBlocks<32>(w, x, stride, cols, first, u);
    case 64:
      return ProjectBlocks<64>(w, x, stride, cols, first, u);
    case 128:
      return ProjectBlocks<128>(w, x, stride, cols, first, u);
    case 256:
      return ProjectBlocks<256>(w, x, stride, cols, first, u);
    default:
      return ProjectBlocks<512>(w, x, stride, cols, first, u);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace favor::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace favor::kernels {
HWY_EXPORT(ProjectHadamard);

void ProjectHadamard(const HadamardBlocks& w, const float* x, int64_t stride, int64_t cols, const float* first,
                     float* u) {
  HWY_DYNAMIC_DISPATCH(ProjectHadamard)(w, x, stride, cols, first, u);
}

}  // namespace favor::kernels
#endif
