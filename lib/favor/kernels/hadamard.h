#ifndef FAVOR_KERNELS_HADAMARD_H_
#define FAVOR_KERNELS_HADAMARD_H_

#include <cstdint>

namespace favor::kernels {

// Rows of a structured projection, in blocks of `size` rows: w_r = row_scales[r] (H D1 H D2 H D3)_r, of which the first
// `depth` columns are kept; H the size x size Hadamard matrix in Sylvester's order, unnormalised.
struct HadamardBlocks {
  const float* signs;       // [blocks][3][size], +1 or -1: D1, D2, D3
  const float* row_scales;  // [blocks * size]
  int64_t size;             // a power of two from 32 to 512
  int64_t rows;
  int64_t depth;

  // Rows [begin, begin + count); begin is a multiple of size.
  HadamardBlocks Slice(int64_t begin, int64_t count) const {
    return {signs + 3 * begin, row_scales + begin, size, count, depth};
  }
};

// As Project (matmul.h), by 3 size log2(size) additions for the size rows of a block where a dense product takes
// size * depth multiply-adds: a quarter of the time at 64. u is [blocks * size][stride].
// Error of an element: at most (3 log2(size) + 2) 2^-24 size^(3/2) |row_scales[r]| |x[t]|, in the 2-norm of x.
void ProjectHadamard(const HadamardBlocks& w, const float* x, int64_t stride, int64_t cols, const float* first,
                     float* u);

}  // namespace favor::kernels

#endif  // FAVOR_KERNELS_HADAMARD_H_
