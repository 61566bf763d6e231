#ifndef FAVOR_KERNELS_BFLOAT16_H_
#define FAVOR_KERNELS_BFLOAT16_H_

#include <cstdint>

namespace favor::kernels {

// Products of bfloat16 factors with float32 sums. Factors are stored in pairs along the depth: one uint32 holds depth
// 2k in its lower half and depth 2k + 1 in its upper half, which is what the CPU's instruction multiplies and adds at
// once. Depths are filled up to a whole pair with zeros.
//
// Rounding a factor to bfloat16 costs a relative error of 2^-9 at most; products of two are exact in float32.

// Whether the CPU has instructions for such products (AVX512_BF16). Without them the products below still compute, but
// far slower than those of matmul.h.
bool HasBFloat16Products();

// Makes HasBFloat16Products() answer true everywhere, so that tests can take the path. Not thread-safe.
void PretendBFloat16ProductsForTest(bool pretend);

constexpr int64_t NumPairs(int64_t depth) { return (depth + 1) / 2; }

// pairs[k][n] = (rows[2k][n], rows[2k + 1][n]) for n < cols; rows from `depth` on count as zero.
void PairRows(const float* rows, int64_t stride, int64_t depth, int64_t cols, uint32_t* pairs, int64_t pair_stride);

// pairs[r][k] = (rows[r][2k], rows[r][2k + 1]) for 2k < cols, cols even.
void PairColumns(const float* rows, int64_t stride, int64_t count, int64_t cols, uint32_t* pairs, int64_t pair_stride);

// Element (i, k) of the left factor is pair data[i * row_stride + k * depth_stride].
struct LeftPairs {
  const uint32_t* data;
  int64_t row_stride;
  int64_t depth_stride;
};
struct RightPairs {
  const uint32_t* data;
  int64_t stride;
};

// As MatMul of matmul.h, over `num_pairs` pairs of depths.
void MatMulPairs(const LeftPairs& a, const RightPairs& b, float* c, int64_t c_stride, int64_t rows, int64_t num_pairs,
                 int64_t cols, bool accumulate);

// As CompensatedMatMul of matmul.h.
void CompensatedMatMulPairs(const LeftPairs& a, const RightPairs& b, float* sums, float* compensation, int64_t c_stride,
                            int64_t rows, int64_t num_pairs, int64_t cols);

// Rows of a projection in bfloat16: panels (panels.h) of pairs, [NumPanels(rows)][NumPairs(depth)][kPanel].
struct BFloat16Panels {
  const uint32_t* data;
  int64_t rows;
  int64_t depth;

  BFloat16Panels Slice(int64_t begin, int64_t count) const { return {data + begin * NumPairs(depth), count, depth}; }
};

// Pairs that the panels of `rows` rows take, and their packing from row-major rows.
int64_t BFloat16PanelPairs(int64_t rows, int64_t depth);
void PackBFloat16Panels(const float* rows, int64_t count, int64_t depth, uint32_t* panels);

// As Project of matmul.h: u is [PanelRowCount(rows)][stride].
void ProjectBFloat16(const BFloat16Panels& w, const float* x, int64_t stride, int64_t cols, const float* first,
                     float* u);

}  // namespace favor::kernels

#endif  // FAVOR_KERNELS_BFLOAT16_H_
