#include "favor/kernels/matmul.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "favor/kernels/matmul.cc"
#include "hwy/foreach_target.h"
// foreach_target comes first.
#include "favor/kernels/tile.h"
#include "hwy/highway.h"

#ifdef __clang__
#define FAVOR_UNROLL _Pragma("unroll")
#else
#define FAVOR_UNROLL _Pragma("GCC unroll 16")
#endif

HWY_BEFORE_NAMESPACE();
namespace favor::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using D = hn::CappedTag<float, kPad>;
using V = hn::Vec<D>;

// AVX-512 and NEON have 32 registers, the other targets 16. A block of R rows and C registers of columns holds R * C
// accumulators; it loads C registers and R broadcasts for R * C multiply-adds.
#if HWY_TARGET <= HWY_AVX3 || HWY_ARCH_ARM_A64
constexpr bool kManyRegisters = true;
#else
constexpr bool kManyRegisters = false;
#endif

enum class Store { kAssign, kAccumulate, kCompensate };

struct Operands {
  const float* a;
  int64_t a_row, a_depth;
  const float* b;
  int64_t b_stride;
  float* c;
  float* compensation;
  int64_t c_stride;
  int64_t depth;
};

template <int R, int C, bool kRowsContiguous, Store kStore>
HWY_INLINE void Block(const Operands& o) {
  const D d;
  const int64_t lanes = hn::Lanes(d);
  V acc[R][C];
  FAVOR_UNROLL
  for (int i = 0; i < R; ++i) {
    FAVOR_UNROLL
    for (int j = 0; j < C; ++j) {
      acc[i][j] = kStore == Store::kAccumulate ? hn::LoadU(d, o.c + i * o.c_stride + j * lanes) : hn::Zero(d);
    }
  }
  const float* a = o.a;
  const float* b = o.b;
  const int64_t a_row = kRowsContiguous ? 1 : o.a_row;
  const int64_t a_depth = kRowsContiguous ? o.a_depth : 1;
  for (int64_t k = 0; k < o.depth; ++k) {
    V column[C];
    FAVOR_UNROLL
    for (int j = 0; j < C; ++j) column[j] = hn::LoadU(d, b + j * lanes);
    FAVOR_UNROLL
    for (int i = 0; i < R; ++i) {
      const V broadcast = hn::Set(d, a[i * a_row]);
      FAVOR_UNROLL
      for (int j = 0; j < C; ++j) acc[i][j] = hn::MulAdd(broadcast, column[j], acc[i][j]);
    }
    a += a_depth;
    b += o.b_stride;
  }
  FAVOR_UNROLL
  for (int i = 0; i < R; ++i) {
    FAVOR_UNROLL
    for (int j = 0; j < C; ++j) {
      float* c = o.c + i * o.c_stride + j * lanes;
      if constexpr (kStore == Store::kCompensate) {
        float* compensation = o.compensation + i * o.c_stride + j * lanes;
        const V sum = hn::LoadU(d, c);
        const V addend = hn::Sub(acc[i][j], hn::LoadU(d, compensation));
        const V total = hn::Add(sum, addend);
        hn::StoreU(hn::Sub(hn::Sub(total, sum), addend), d, compensation);
        hn::StoreU(total, d, c);
      } else {
        hn::StoreU(acc[i][j], d, c);
      }
    }
  }
}

template <int R, int C, bool kRowsContiguous, Store kStore>
HWY_INLINE void RowBlocks(Operands& o, int64_t& rows) {
  for (; rows >= R; rows -= R) {
    Block<R, C, kRowsContiguous, kStore>(o);
    o.a += R * (kRowsContiguous ? 1 : o.a_row);
    o.c += R * o.c_stride;
    if (kStore == Store::kCompensate) o.compensation += R * o.c_stride;
  }
}

// All rows of C registers of columns. Noinline: one copy of the blocks, whatever calls them.
template <int C, bool kRowsContiguous, Store kStore>
HWY_NOINLINE void Columns(Operands o, int64_t rows) {
  constexpr int kRows = kManyRegisters ? (C == 4 ? 6 : 8) : (C == 3 ? 4 : C == 2 ? 6 : 8);
  RowBlocks<kRows, C, kRowsContiguous, kStore>(o, rows);
  if (kRows > 4) RowBlocks<4, C, kRowsContiguous, kStore>(o, rows);
  RowBlocks<2, C, kRowsContiguous, kStore>(o, rows);
  RowBlocks<1, C, kRowsContiguous, kStore>(o, rows);
}

// How many registers of columns to take next, so that no thin remainder is left (5 = 3 + 2, not 4 + 1).
int64_t NextColumns(int64_t registers) {
  if (kManyRegisters) return registers == 5 || registers == 6 ? 3 : std::min<int64_t>(registers, 4);
  return registers == 4 ? 2 : std::min<int64_t>(registers, 3);
}

template <bool kRowsContiguous, Store kStore>
void AllColumns(Operands o, int64_t rows, int64_t cols) {
  const int64_t lanes = hn::Lanes(D());
  for (int64_t registers = cols / lanes; registers > 0;) {
    const int64_t taken = NextColumns(registers);
    switch (taken) {
      case 4:
        if constexpr (kManyRegisters) Columns<4, kRowsContiguous, kStore>(o, rows);
        break;
      case 3:
        Columns<3, kRowsContiguous, kStore>(o, rows);
        break;
      case 2:
        Columns<2, kRowsContiguous, kStore>(o, rows);
        break;
      default:
        Columns<1, kRowsContiguous, kStore>(o, rows);
    }
    registers -= taken;
    o.b += taken * lanes;
    o.c += taken * lanes;
    if (kStore == Store::kCompensate) o.compensation += taken * lanes;
  }
}

void MatMul(const LeftFactor& a, const RowMajor& b, float* c, int64_t c_stride, int64_t rows, int64_t depth,
            int64_t cols, bool accumulate) {
  // A slice of B this deep stays in L1 while all rows pass over it; partial results wait in C, exactly.
  constexpr int64_t kDepth = 96;
  Operands o{a.data, a.row_stride, a.depth_stride, b.data, b.stride, c, nullptr, c_stride, 0};
  int64_t done = 0;
  do {
    o.depth = std::min(depth - done, depth - done < 2 * kDepth ? depth : kDepth);
    o.a = a.data + done * a.depth_stride;
    o.b = b.data + done * b.stride;
    if (a.row_stride == 1 && accumulate) {
      AllColumns<true, Store::kAccumulate>(o, rows, cols);
    } else if (a.row_stride == 1) {
      AllColumns<true, Store::kAssign>(o, rows, cols);
    } else if (accumulate) {
      AllColumns<false, Store::kAccumulate>(o, rows, cols);
    } else {
      AllColumns<false, Store::kAssign>(o, rows, cols);
    }
    accumulate = true;
    done += o.depth;
  } while (done < depth);
}

void CompensatedMatMul(const LeftFactor& a, const RowMajor& b, float* sums, float* compensation, int64_t c_stride,
                       int64_t rows, int64_t depth, int64_t cols) {
  const Operands o{a.data, a.row_stride, a.depth_stride, b.data, b.stride, sums, compensation, c_stride, depth};
  AllColumns<false, Store::kCompensate>(o, rows, cols);
}

}  // namespace HWY_NAMESPACE
}  // namespace favor::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace favor::kernels {
HWY_EXPORT(MatMul);
HWY_EXPORT(CompensatedMatMul);

void MatMul(const LeftFactor& a, const RowMajor& b, float* c, int64_t c_stride, int64_t rows, int64_t depth,
            int64_t cols, bool accumulate) {
  HWY_DYNAMIC_DISPATCH(MatMul)(a, b, c, c_stride, rows, depth, cols, accumulate);
}

void CompensatedMatMul(const LeftFactor& a, const RowMajor& b, float* sums, float* compensation, int64_t c_stride,
                       int64_t rows, int64_t depth, int64_t cols) {
  HWY_DYNAMIC_DISPATCH(CompensatedMatMul)(a, b, sums, compensation, c_stride, rows, depth, cols);
}

}  // namespace favor::kernels
#endif
