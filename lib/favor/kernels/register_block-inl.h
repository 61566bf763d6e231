// Per-target include guard, as Highway's pattern has it.
#if defined(FAVOR_KERNELS_REGISTER_BLOCK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FAVOR_KERNELS_REGISTER_BLOCK_INL_H_
#undef FAVOR_KERNELS_REGISTER_BLOCK_INL_H_
#else
#define FAVOR_KERNELS_REGISTER_BLOCK_INL_H_
#endif

#include "favor/kernels/panels.h"
#include "favor/kernels/tile.h"
#include "hwy/highway.h"

#ifndef FAVOR_UNROLL
#ifdef __clang__
#define FAVOR_UNROLL _Pragma("unroll")
#define FAVOR_UNROLL_DEPTH _Pragma("unroll 4")
#else
#define FAVOR_UNROLL _Pragma("GCC unroll 16")
#define FAVOR_UNROLL_DEPTH _Pragma("GCC unroll 4")
#endif
#endif

HWY_BEFORE_NAMESPACE();
namespace favor::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using D = hn::CappedTag<float, kPad>;
using V = hn::Vec<D>;

// The core of every product: a block of R rows of the left factor against C registers of columns of the right one keeps
// R * C accumulators in registers, and loads C registers and R broadcasts for R * C multiply-adds. Two loads and two
// multiply-adds a cycle and a latency of four cycles ask for 8 accumulators or more and R + C <= R * C. AVX-512 and
// NEON have 32 registers, the other targets 16.
#if HWY_TARGET <= HWY_AVX3 || HWY_ARCH_ARM_A64
constexpr bool kManyRegisters = true;
#else
constexpr bool kManyRegisters = false;
#endif

// Left factors: At(i) is element (row i, current depth), Next() goes one deeper.
struct PanelRows {  // panels.h
  const float* a;
  HWY_INLINE float At(int i) const { return a[i]; }
  HWY_INLINE void Next() { a += kPanel; }
};
struct ContiguousRows {  // neighbouring rows are neighbours in memory
  const float* a;
  int64_t depth_stride;
  HWY_INLINE float At(int i) const { return a[i]; }
  HWY_INLINE void Next() { a += depth_stride; }
};
struct StridedRows {  // neighbouring depths are neighbours in memory
  const float* a;
  int64_t row_stride;
  HWY_INLINE float At(int i) const { return a[i * row_stride]; }
  HWY_INLINE void Next() { ++a; }
};

// acc[i][j] += sum_k left(i, k) b[k][j], one fused multiply-add per k in ascending order.
template <int R, int C, class Left>
HWY_INLINE void MultiplyAdd(Left left, const float* b, int64_t b_stride, int64_t depth, V (&acc)[R][C]) {
  const D d;
  const int64_t lanes = hn::Lanes(d);
  FAVOR_UNROLL_DEPTH
  for (int64_t k = 0; k < depth; ++k) {
    V column[C];
    FAVOR_UNROLL
    for (int j = 0; j < C; ++j) column[j] = hn::LoadU(d, b + j * lanes);
    FAVOR_UNROLL
    for (int i = 0; i < R; ++i) {
      const V broadcast = hn::Set(d, left.At(i));
      FAVOR_UNROLL
      for (int j = 0; j < C; ++j) acc[i][j] = hn::MulAdd(broadcast, column[j], acc[i][j]);
    }
    left.Next();
    b += b_stride;
  }
}

// How many registers of columns a block takes, so that no thin remainder is left (5 = 3 + 2, not 4 + 1).
HWY_INLINE int64_t NextColumns(int64_t registers) {
  if (kManyRegisters) return registers == 5 || registers == 6 ? 3 : registers < 4 ? registers : 4;
  return registers < 2 ? registers : 2;
}

}  // namespace HWY_NAMESPACE
}  // namespace favor::kernels
HWY_AFTER_NAMESPACE();

#endif  // FAVOR_KERNELS_REGISTER_BLOCK_INL_H_
