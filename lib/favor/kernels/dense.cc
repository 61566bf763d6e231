#include "favor/kernels/dense.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "favor/kernels/dense.cc"
#include "hwy/foreach_target.h"
// foreach_target comes first.
#include "favor/kernels/activations-inl.h"
#include "favor/kernels/register_block-inl.h"
#include "favor/kernels/tile.h"
#include "hwy/cache_control.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace favor::kernels {
namespace HWY_NAMESPACE {

// What the sums of a block start from.
enum class Start { kBias, kBiasAndOutput, kOutput };

// A few panels of rows, and a slice of their depth.
struct Slice {
  const float* panels;  // of the first panel, at the first depth
  int64_t panel_stride;
  const float* bias;
  int64_t num_panels;
  int64_t depth;
  Start start;
};

// Sums of the next panel, whose cache lines the present one has time to wait for.
template <int C>
HWY_INLINE void PrefetchSums(const float* y) {
  constexpr int64_t kLine = 16;
  FAVOR_UNROLL
  for (int i = 0; i < kPanel; ++i) {
    for (int64_t j = 0; j < C * static_cast<int64_t>(hn::Lanes(D())); j += kLine) hwy::Prefetch(y + i * kTile + j);
  }
}

// C registers of columns.
template <int C>
HWY_NOINLINE void SliceColumns(const Slice& w, const float* x, float* y) {
  const D d;
  const int64_t lanes = hn::Lanes(d);
  for (int64_t p = 0; p < w.num_panels; ++p, y += kPanel * kTile) {
    V acc[kPanel][C];
    FAVOR_UNROLL
    for (int i = 0; i < kPanel; ++i) {
      const V bias = hn::Set(d, w.bias[p * kPanel + i]);
      FAVOR_UNROLL
      for (int j = 0; j < C; ++j) {
        const V output = hn::LoadU(d, y + i * kTile + j * lanes);
        acc[i][j] = w.start == Start::kBias ? bias : w.start == Start::kOutput ? output : hn::Add(output, bias);
      }
    }
    if (p + 1 < w.num_panels) PrefetchSums<C>(y + kPanel * kTile);
    MultiplyAdd<kPanel, C>(PanelRows{w.panels + p * w.panel_stride}, x, kTile, w.depth, acc);
    FAVOR_UNROLL
    for (int i = 0; i < kPanel; ++i) {
      FAVOR_UNROLL
      for (int j = 0; j < C; ++j) hn::StoreU(acc[i][j], d, y + i * kTile + j * lanes);
    }
  }
}

void SliceProduct(const Slice& w, const float* x, int64_t cols, float* y) {
  const int64_t lanes = hn::Lanes(D());
  for (int64_t registers = cols / lanes; registers > 0;) {
    const int64_t taken = NextColumns(registers);
    switch (taken) {
      case 4:
        if constexpr (kManyRegisters) SliceColumns<4>(w, x, y);
        break;
      case 3:
        if constexpr (kManyRegisters) SliceColumns<3>(w, x, y);
        break;
      case 2:
        SliceColumns<2>(w, x, y);
        break;
      default:
        SliceColumns<1>(w, x, y);
    }
    registers -= taken;
    x += taken * lanes;
    y += taken * lanes;
  }
}

template <class F>
HWY_NOINLINE void ActivateRows(F f, int64_t rows, int64_t cols, float* y) {
  const D d;
  for (int64_t r = 0; r < rows; ++r, y += kTile) {
    for (int64_t t = 0; t < cols; t += hn::Lanes(d)) hn::StoreU(f(d, hn::LoadU(d, y + t)), d, y + t);
  }
}

void Activate(Activation f, int64_t rows, int64_t cols, float* y) {
  switch (f) {
    case Activation::kNone:
      return;
    case Activation::kRelu:
      return ActivateRows(Relu(), rows, cols, y);
    case Activation::kGelu:
      return ActivateRows(Gelu(), rows, cols, y);
    case Activation::kGeluTanh:
      return ActivateRows(GeluTanh(), rows, cols, y);
    case Activation::kSilu:
      return ActivateRows(Silu(), rows, cols, y);
  }
}

void Dense(const Panels& w, const float* bias, const float* x, int64_t x_stride, int64_t num_tokens, Activation f,
           bool add, float* y, int64_t y_stride) {
  // Weights come from memory once: a slice of them stays in L2 while all columns pass, two registers of which, this
  // deep, stay in L1. Partial sums wait in y, exactly.
  constexpr int64_t kRows = 20 * kPanel, kDepth = 512;
  for (int64_t r = 0; r < w.rows; r += kRows) {
    const int64_t num_panels = NumPanels(std::min(kRows, w.rows - r));
    for (int64_t k = 0; k < w.depth; k += kDepth) {
      const Start start = k > 0 ? Start::kOutput : add ? Start::kBiasAndOutput : Start::kBias;
      const int64_t depth = std::min(kDepth, w.depth - k);
      const Slice slice{w.data + r * w.depth + k * kPanel, kPanel * w.depth, bias + r, num_panels, depth, start};
      for (int64_t t = 0; t < num_tokens; t += kTile) {
        const int64_t tile = t / kTile, cols = Padded(std::min(kTile, num_tokens - t));
        float* sums = y + tile * y_stride + r * kTile;
        SliceProduct(slice, x + tile * x_stride + k * kTile, cols, sums);
        if (k + depth == w.depth) Activate(f, num_panels * kPanel, cols, sums);
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace favor::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace favor::kernels {
HWY_EXPORT(Dense);

void Dense(const Panels& w, const float* bias, const float* x, int64_t x_stride, int64_t num_tokens, Activation f,
           bool add, float* y, int64_t y_stride) {
  HWY_DYNAMIC_DISPATCH(Dense)(w, bias, x, x_stride, num_tokens, f, add, y, y_stride);
}

}  // namespace favor::kernels
#endif  // HWY_ONCE
