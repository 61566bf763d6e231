#ifndef FAVOR_KERNELS_DENSE_H_
#define FAVOR_KERNELS_DENSE_H_

#include <cstdint>

#include "favor/kernels/panels.h"

namespace favor::kernels {

// Errors: ReLU none; GELU t Phi(t) and its tanh form within 2e-7 |t|.
enum class Activation : uint8_t { kNone, kRelu, kGelu, kGeluTanh };

// A dense layer over a tile of tokens: y[r][t] = f(bias[r] + sum_k w(r, k) x[k][t]) for t < cols, a multiple of kPad up
// to kTile; with `add`, to what y[r][t] holds. x is [w.depth][kTile], bias [PanelRowCount(w.rows)]
// with zeros past w.rows, y [PanelRowCount(w.rows)][kTile]: rows past w.rows are written too. One fused multiply-add
// per k in ascending order: a token's results do not depend on the others of its tile. Error of a sum: at most
// (w.depth + 2) * 2^-24 * (|y| + |bias| + sum_k |w x|).
void Dense(const Panels& w, const float* bias, const float* x, int64_t cols, Activation f, bool add, float* y);

}  // namespace favor::kernels

#endif  // FAVOR_KERNELS_DENSE_H_
