#ifndef FAVOR_KERNELS_PACK_H_
#define FAVOR_KERNELS_PACK_H_

#include <cstdint>

#include "favor/tensor/tensor_view.h"

namespace favor::kernels {

// Larger magnitudes are brought down to this after scaling. Squared norms and projections of such rows then stay
// finite; their attention was beyond float32 anyway.
constexpr float kMaxMagnitude = 1e13f;

// Rows of one head of a tensor of any type and strides, to be read or written as float32.
template <typename Byte>
struct BasicRows {
  Byte* first;  // element [row 0, dim 0]
  DataType type;
  int64_t row_stride, dim_stride;  // elements
  int64_t count, dim;
};
using Rows = BasicRows<const std::byte>;
using MutableRows = BasicRows<std::byte>;

template <typename Byte>
BasicRows<Byte> RowsOf(const BasicTensorView<Byte>& view, int64_t batch, int64_t head, int64_t begin, int64_t count) {
  return {view.Row(batch, head, begin), view.type, view.strides.length, view.strides.dim, count, view.shape.dim};
}

// One element, unaligned, as float32.
float LoadValue(const std::byte* address, DataType type);

// out[t][l] = rows[t][l] * multiplier, clamped to +-kMaxMagnitude when `clamp`; rows of out are `stride` >= Padded(dim)
// floats and padded with zeros. Returns the number of leading rows that are finite throughout: rows.count when all are.
int64_t PackRows(const Rows& rows, float multiplier, bool clamp, float* out, int64_t stride);

// Asks for rows that will soon be packed. Streams of rows come from memory at its latency otherwise: a tile is too
// short for the CPU to notice that it goes on.
void Prefetch(const Rows& rows);

// tile[l][t] = rows[t][l]; tile is [dim][width], width a multiple of kPad, its columns past count zero.
void Transpose(const float* rows, int64_t stride, int64_t count, int64_t dim, float* tile, int64_t width);

// norms[t] = sum_l tile[l][t]^2, tile [dim][width].
void SquaredNorms(const float* tile, int64_t dim, int64_t width, float* norms);

// What may be divided by.
enum class Denominators : uint8_t { kPositive, kOfEitherSign };

// out[t][n] = sums[t][n] / denominators[t] in out's type, for t < out.count. A row whose denominator is not among those
// allowed, is zero or not finite, or whose result is not finite in that type, becomes zeros. Returns how many did.
int64_t StoreNormalised(const float* sums, int64_t stride, const float* denominators, const MutableRows& out,
                        Denominators allowed = Denominators::kPositive);

}  // namespace favor::kernels

#endif  // FAVOR_KERNELS_PACK_H_
