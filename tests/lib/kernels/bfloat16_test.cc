#include "favor/kernels/bfloat16.h"

#include <cmath>
#include <cstdint>
#include <vector>

#include "favor/format/half_float.h"
#include "favor/kernels/panels.h"
#include "favor/kernels/tile.h"
#include "tests/lib/kernels/every_target.h"

namespace favor::kernels {
namespace {

class BFloat16Test : public EveryTarget {
 protected:
  std::vector<uint32_t> Pairs(int64_t count) {
    std::vector<uint32_t> pairs(count);
    for (uint32_t& pair : pairs) pair = BFloat16FromFloat32(Normal(1)[0]) | BFloat16FromFloat32(Normal(1)[0]) << 16;
    return pairs;
  }
};
FAVOR_ON_EVERY_TARGET(BFloat16Test);

uint32_t ExactPair(float even, float odd) {
  return BFloat16FromFloat32(even) | static_cast<uint32_t>(BFloat16FromFloat32(odd)) << 16;
}
double Even(uint32_t pair) { return Float32FromBFloat16(pair & 0xFFFF); }
double Odd(uint32_t pair) { return Float32FromBFloat16(pair >> 16); }

TEST_P(BFloat16Test, PairsAreRoundedToNearestEvenAndFilledUpWithZeros) {
  for (int trial = 0; trial < 40; ++trial) {
    const int64_t depth = Integer(1, 30), cols = kPad * Integer(1, 5), stride = cols + Integer(0, 7);
    std::vector<float> rows = Normal(depth * stride, std::ldexp(1.0f, Integer(-60, 60)));
    rows[0] = 1.00390625f;  // halfway between two bfloat16 numbers: to the even one
    std::vector<uint32_t> pairs(NumPairs(depth) * stride);
    PairRows(rows.data(), stride, depth, cols, pairs.data(), stride);
    for (int64_t k = 0; k < NumPairs(depth); ++k) {
      for (int64_t n = 0; n < cols; ++n) {
        const float odd = 2 * k + 1 < depth ? rows[(2 * k + 1) * stride + n] : 0;
        ASSERT_EQ(pairs[k * stride + n], ExactPair(rows[2 * k * stride + n], odd));
      }
    }
    const int64_t even_cols = 2 * Integer(1, cols / 2);
    std::vector<uint32_t> columns(depth * stride, 7);
    PairColumns(rows.data(), stride, depth, even_cols, columns.data(), stride);
    for (int64_t r = 0; r < depth; ++r) {
      for (int64_t k = 0; k < stride; ++k) {
        const float* pair = rows.data() + r * stride + 2 * k;
        ASSERT_EQ(columns[r * stride + k], 2 * k < even_cols ? ExactPair(pair[0], pair[1]) : 7u);
      }
    }
  }
}

// Sums of products that are exact: the error is that of float32 sums. What is below the least normal number is lost.
TEST_P(BFloat16Test, ProductsEqualTheDoubleProductsForAnyShapeAndStride) {
  for (int trial = 0; trial < 60; ++trial) {
    const int64_t rows = Integer(1, 20), num_pairs = Integer(1, 60), cols = kPad * Integer(1, 7);
    const bool rows_contiguous = trial % 2 == 0;
    const int64_t a_stride = (rows_contiguous ? rows : num_pairs) + Integer(0, 3), b_stride = cols + Integer(0, 3);
    const int64_t c_stride = cols + Integer(0, 3);
    const std::vector<uint32_t> a = Pairs(a_stride * (rows_contiguous ? num_pairs : rows)),
                                b = Pairs(b_stride * num_pairs);
    const LeftPairs left = rows_contiguous ? LeftPairs{a.data(), 1, a_stride} : LeftPairs{a.data(), a_stride, 1};
    const std::vector<float> before = Normal(c_stride * rows);
    std::vector<float> assigned = before, added = before, compensated = before, compensation(before.size());
    MatMulPairs(left, {b.data(), b_stride}, assigned.data(), c_stride, rows, num_pairs, cols, false);
    MatMulPairs(left, {b.data(), b_stride}, added.data(), c_stride, rows, num_pairs, cols, true);
    CompensatedMatMulPairs(left, {b.data(), b_stride}, compensated.data(), compensation.data(), c_stride, rows,
                           num_pairs, cols);
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t n = 0; n < c_stride; ++n) {
        const int64_t at = i * c_stride + n;
        if (n >= cols) {
          ASSERT_EQ(assigned[at], before[at]) << "wrote past the columns";
          continue;
        }
        double exact = 0, magnitude = std::abs(before[at]);
        for (int64_t k = 0; k < num_pairs; ++k) {
          const uint32_t x = a[i * left.row_stride + k * left.depth_stride], y = b[k * b_stride + n];
          exact += Even(x) * Even(y) + Odd(x) * Odd(y);
          magnitude += std::abs(Even(x) * Even(y)) + std::abs(Odd(x) * Odd(y));
        }
        const double bound = (2 * num_pairs + 1) * std::ldexp(magnitude, -24);
        ASSERT_NEAR(assigned[at], exact, bound);
        ASSERT_NEAR(added[at], before[at] + exact, bound);
        ASSERT_NEAR(static_cast<double>(compensated[at]) - compensation[at], before[at] + exact, bound);
      }
    }
  }
}

TEST_P(BFloat16Test, ProjectionsAreThoseOfRoundedFactors) {
  for (int trial = 0; trial < 20; ++trial) {
    const int64_t rows = Integer(1, 20), depth = Integer(1, 90), cols = kPad * Integer(1, 9), stride = cols + kPad;
    const std::vector<float> w = Normal(rows * depth), x = Normal(depth * stride), first = Normal(cols);
    std::vector<uint32_t> panels(BFloat16PanelPairs(rows, depth));
    PackBFloat16Panels(w.data(), rows, depth, panels.data());
    std::vector<float> u(PanelRowCount(rows) * stride, -7.0f);
    const bool starts = trial % 2 == 0;
    ProjectBFloat16({panels.data(), rows, depth}, x.data(), stride, cols, starts ? first.data() : nullptr, u.data());
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t t = 0; t < stride; ++t) {
        if (t >= cols) {
          ASSERT_EQ(u[r * stride + t], -7.0f) << "wrote past the columns";
          continue;
        }
        double exact = starts ? first[t] : 0, magnitude = std::abs(exact);
        for (int64_t k = 0; k < depth; ++k) {
          const double term = static_cast<double>(Float32FromBFloat16(BFloat16FromFloat32(w[r * depth + k]))) *
                              Float32FromBFloat16(BFloat16FromFloat32(x[k * stride + t]));
          exact += term;
          magnitude += std::abs(term);
        }
        ASSERT_NEAR(u[r * stride + t], exact, (depth + 1) * std::ldexp(magnitude, -24));
      }
    }
  }
}

}  // namespace
}  // namespace favor::kernels
