#include "favor/kernels/matmul.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "favor/kernels/matmul.cc"
#include "hwy/foreach_target.h"
// foreach_target comes first.
#include "favor/kernels/register_block-inl.h"
#include "favor/kernels/tile.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace favor::kernels {
namespace HWY_NAMESPACE {
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
  if constexpr (kRowsContiguous) {
    MultiplyAdd<R, C>(ContiguousRows{o.a, o.a_depth}, o.b, o.b_stride, o.depth, acc);
  } else {
    MultiplyAdd<R, C>(StridedRows{o.a, o.a_row}, o.b, o.b_stride, o.depth, acc);
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
  constexpr int kRows = !kManyRegisters || C == 4 ? 6 : 8;
  RowBlocks<kRows, C, kRowsContiguous, kStore>(o, rows);
  if (kRows > 4) RowBlocks<4, C, kRowsContiguous, kStore>(o, rows);
  RowBlocks<2, C, kRowsContiguous, kStore>(o, rows);
  RowBlocks<1, C, kRowsContiguous, kStore>(o, rows);
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
        if constexpr (kManyRegisters) Columns<3, kRowsContiguous, kStore>(o, rows);
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

// Columns [t, t + C registers) of a projection.
template <int C>
HWY_NOINLINE void ProjectColumns(const Panels& w, const float* x, int64_t stride, const float* first, float* u) {
  const D d;
  const int64_t lanes = hn::Lanes(d);
  const float* panel = w.data;
  for (int64_t r = 0; r < w.rows; r += kPanel, panel += kPanel * w.depth) {
    V acc[kPanel][C];
    FAVOR_UNROLL
    for (int j = 0; j < C; ++j) {
      const V start = first == nullptr ? hn::Zero(d) : hn::LoadU(d, first + j * lanes);
      FAVOR_UNROLL
      for (int i = 0; i < kPanel; ++i) acc[i][j] = start;
    }
    MultiplyAdd<kPanel, C>(PanelRows{panel}, x, stride, w.depth, acc);
    FAVOR_UNROLL
    for (int i = 0; i < kPanel; ++i) {
      FAVOR_UNROLL
      for (int j = 0; j < C; ++j) hn::StoreU(acc[i][j], d, u + (r + i) * stride + j * lanes);
    }
  }
}

void Project(const Panels& w, const float* x, int64_t stride, int64_t cols, const float* first, float* u) {
  const int64_t lanes = hn::Lanes(D());
  for (int64_t registers = cols / lanes; registers > 0;) {
    const int64_t taken = NextColumns(registers);
    switch (taken) {
      case 4:
        if constexpr (kManyRegisters) ProjectColumns<4>(w, x, stride, first, u);
        break;
      case 3:
        if constexpr (kManyRegisters) ProjectColumns<3>(w, x, stride, first, u);
        break;
      case 2:
        ProjectColumns<2>(w, x, stride, first, u);
        break;
      default:
        ProjectColumns<1>(w, x, stride, first, u);
    }
    registers -= taken;
    x += taken * lanes;
    u += taken * lanes;
    if (first != nullptr) first += taken * lanes;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace favor::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace favor::kernels {
HWY_EXPORT(MatMul);
HWY_EXPORT(CompensatedMatMul);
HWY_EXPORT(Project);

void MatMul(const LeftFactor& a, const RowMajor& b, float* c, int64_t c_stride, int64_t rows, int64_t depth,
            int64_t cols, bool accumulate) {
  HWY_DYNAMIC_DISPATCH(MatMul)(a, b, c, c_stride, rows, depth, cols, accumulate);
}

void CompensatedMatMul(const LeftFactor& a, const RowMajor& b, float* sums, float* compensation, int64_t c_stride,
                       int64_t rows, int64_t depth, int64_t cols) {
  HWY_DYNAMIC_DISPATCH(CompensatedMatMul)(a, b, sums, compensation, c_stride, rows, depth, cols);
}

void Project(const Panels& w, const float* x, int64_t stride, int64_t cols, const float* first, float* u) {
  HWY_DYNAMIC_DISPATCH(Project)(w, x, stride, cols, first, u);
}

}  // namespace favor::kernels
#endif
