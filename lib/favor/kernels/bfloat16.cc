#include "favor/kernels/bfloat16.h"

#include <algorithm>
#include <cstring>

#include "favor/kernels/panels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "favor/kernels/bfloat16.cc"
#include "hwy/foreach_target.h"
// foreach_target comes first.
#include "favor/kernels/tile.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace favor::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using D = hn::CappedTag<float, kPad>;
using DU = hn::RebindToUnsigned<D>;
using VU = hn::Vec<DU>;

// The bits of finite floats rounded to bfloat16, to nearest, ties to even, in the upper half; the lower half is junk.
HWY_INLINE VU Round(VU bits) {
  const DU du;
  const VU odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1u));
  return hn::Add(bits, hn::Add(odd, hn::Set(du, 0x7FFFu)));
}

HWY_INLINE VU Pair(VU even, VU odd) {
  const DU du;
  return hn::Or(hn::ShiftRight<16>(Round(even)), hn::And(Round(odd), hn::Set(du, 0xFFFF0000u)));
}

void PairRows(const float* rows, int64_t stride, int64_t depth, int64_t cols, uint32_t* pairs, int64_t pair_stride) {
  const D d;
  const DU du;
  for (int64_t k = 0; k < depth; k += 2, rows += 2 * stride, pairs += pair_stride) {
    for (int64_t n = 0; n < cols; n += hn::Lanes(d)) {
      const VU even = hn::BitCast(du, hn::LoadU(d, rows + n));
      const VU odd = k + 1 < depth ? hn::BitCast(du, hn::LoadU(d, rows + stride + n)) : hn::Zero(du);
      hn::StoreU(Pair(even, odd), du, pairs + n);
    }
  }
}

void PairColumns(const float* rows, int64_t stride, int64_t count, int64_t cols, uint32_t* pairs, int64_t pair_stride) {
  for (int64_t r = 0; r < count; ++r, rows += stride, pairs += pair_stride) {
    int64_t n = 0;
#if HWY_TARGET != HWY_SCALAR
    const D d;
    const DU du;
    const int64_t lanes = hn::Lanes(du);
    for (; n + 2 * lanes <= cols; n += 2 * lanes) {
      VU even, odd;
      hn::LoadInterleaved2(du, reinterpret_cast<const uint32_t*>(rows + n), even, odd);
      hn::StoreU(Pair(even, odd), du, pairs + n / 2);
    }
#endif
    for (; n < cols; n += 2) {
      uint32_t bits[2];
      std::memcpy(bits, rows + n, sizeof(bits));
      for (uint32_t& value : bits) value += 0x7FFFu + (value >> 16 & 1);
      pairs[n / 2] = bits[0] >> 16 | (bits[1] & 0xFFFF0000u);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace favor::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace favor::kernels {
HWY_EXPORT(PairRows);
HWY_EXPORT(PairColumns);

void PairRows(const float* rows, int64_t stride, int64_t depth, int64_t cols, uint32_t* pairs, int64_t pair_stride) {
  HWY_DYNAMIC_DISPATCH(PairRows)(rows, stride, depth, cols, pairs, pair_stride);
}
void PairColumns(const float* rows, int64_t stride, int64_t count, int64_t cols, uint32_t* pairs, int64_t pair_stride) {
  HWY_DYNAMIC_DISPATCH(PairColumns)(rows, stride, count, cols, pairs, pair_stride);
}

int64_t BFloat16PanelPairs(int64_t rows, int64_t depth) { return PanelRowCount(rows) * NumPairs(depth); }

void PackBFloat16Panels(const float* rows, int64_t count, int64_t depth, uint32_t* panels) {
  for (int64_t begin = 0; begin < count; begin += kPanel, panels += kPanel * NumPairs(depth)) {
    for (int64_t k = 0; k < depth; k += 2) {
      for (int64_t i = 0; i < kPanel; ++i) {
        const float* row = rows + (begin + i) * depth + k;
        const bool inside = begin + i < count;
        const float pair[2] = {inside ? row[0] : 0.0f, inside && k + 1 < depth ? row[1] : 0.0f};
        PairColumns(pair, 2, 1, 2, panels + k / 2 * kPanel + i, 1);
      }
    }
  }
}

void ProjectBFloat16(const BFloat16Panels& w, const float* x, int64_t stride, int64_t cols, const float* first,
                     float* u) {
  constexpr int64_t kMostPairs = 256;  // head_dim goes to 512
  const int64_t num_pairs = NumPairs(w.depth);
  alignas(64) uint32_t pairs[kMostPairs * kTile];
  for (int64_t t = 0; t < cols; t += kTile) {
    const int64_t width = std::min(kTile, cols - t);
    PairRows(x + t, stride, w.depth, width, pairs, kTile);
    for (int64_t r = 0; r < w.rows; r += kPanel) {
      float* out = u + r * stride + t;
      for (int64_t i = 0; first != nullptr && i < kPanel; ++i) std::copy_n(first + t, width, out + i * stride);
      MatMulPairs({w.data + r * num_pairs, 1, kPanel}, {pairs, kTile}, out, stride, kPanel, num_pairs, width,
                  first != nullptr);
    }
  }
}

}  // namespace favor::kernels
#endif
