#ifndef FAVOR_KERNELS_DENSE_H_
#define FAVOR_KERNELS_DENSE_H_

#include <cstdint>

#include "favor/kernels/panels.h"

namespace favor::kernels {

// Errors: ReLU none; GELU t Phi(t), its tanh form and SiLU t / (1 + exp(-t)) within 2e-7 |t|.
enum class Activation : uint8_t { kNone, kRelu, kGelu, kGeluTanh, kSilu };

// A dense layer over num_tokens tokens, tile after tile of kTile, the last one maybe not full: in every tile
//
//   y[r][t] = f(bias[r] + sum_k w(r, k) x[k][t]), with `add` to what y[r][t] holds
//
// for t < cols, the tile's tokens rounded up to a multiple of kPad. A tile of x is [w.depth][kTile] and the next one
// x_stride floats away; of y [PanelRowCount(w.rows)][kTile], y_stride: rows past w.rows are written too. bias is
// [PanelRowCount(w.rows)], zero past w.rows. One fused multiply-add per k in ascending order: a token's results do not
// depend on the other tokens. Error of a sum: at most (w.depth + 2) * 2^-24 * (|y| + |bias| + sum_k |w x|).
void Dense(const Panels& w, const float* bias, const float* x, int64_t x_stride, int64_t num_tokens, Activation f,
           bool add, float* y, int64_t y_stride);

}  // namespace favor::kernels

#endif  // FAVOR_KERNELS_DENSE_H_
