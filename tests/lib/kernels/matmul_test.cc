#include "favor/kernels/matmul.h"

#include <cmath>
#include <cstdint>
#include <vector>

#include "favor/kernels/tile.h"
#include "tests/lib/kernels/every_target.h"

namespace favor::kernels {
namespace {

class MatMulTest : public EveryTarget {};
FAVOR_ON_EVERY_TARGET(MatMulTest);

struct Product {
  int64_t rows, depth, cols;
  bool rows_contiguous;
  int64_t a_stride, b_stride, c_stride;
  std::vector<float> a, b, c;
  LeftFactor left() const {
    return rows_contiguous ? LeftFactor{a.data(), 1, a_stride} : LeftFactor{a.data(), a_stride, 1};
  }
  float A(int64_t i, int64_t k) const { return a[rows_contiguous ? k * a_stride + i : i * a_stride + k]; }

  // The exact sum and the sum of magnitudes that bounds its rounding.
  double Exact(int64_t i, int64_t n, double* magnitude) const {
    double sum = 0;
    *magnitude = 0;
    for (int64_t k = 0; k < depth; ++k) {
      const double term = static_cast<double>(A(i, k)) * b[k * b_stride + n];
      sum += term;
      *magnitude += std::abs(term);
    }
    return sum;
  }
};

TEST_P(MatMulTest, EqualsTheDoubleProductForAnyShapeAndStride) {
  for (int trial = 0; trial < 150; ++trial) {
    Product p;
    p.rows = Integer(1, 70);
    p.depth = Integer(1, trial % 5 == 0 ? 700 : 90);
    p.cols = kPad * Integer(1, 9);
    p.rows_contiguous = trial % 2 == 0;
    p.a_stride = (p.rows_contiguous ? p.rows : p.depth) + Integer(0, 5);
    p.b_stride = p.cols + Integer(0, 5);
    p.c_stride = p.cols + Integer(0, 5);
    p.a = Normal(p.a_stride * (p.rows_contiguous ? p.depth : p.rows));
    p.b = Normal(p.b_stride * p.depth);
    p.c = Normal(p.c_stride * p.rows);
    const bool accumulate = trial % 3 == 0;
    const std::vector<float> before = p.c;
    MatMul(p.left(), {p.b.data(), p.b_stride}, p.c.data(), p.c_stride, p.rows, p.depth, p.cols, accumulate);
    for (int64_t i = 0; i < p.rows; ++i) {
      for (int64_t n = 0; n < p.c_stride; ++n) {
        const float old = before[i * p.c_stride + n], got = p.c[i * p.c_stride + n];
        if (n >= p.cols) {
          ASSERT_EQ(got, old) << "wrote past the columns";
          continue;
        }
        double magnitude;
        double exact = p.Exact(i, n, &magnitude);
        if (accumulate) {
          exact += old;
          magnitude += std::abs(old);
        }
        ASSERT_NEAR(got, exact, (p.depth + 1) * std::ldexp(magnitude, -24))
            << p.rows << "x" << p.depth << "x" << p.cols << " at " << i << ", " << n;
      }
    }
  }
}

TEST_P(MatMulTest, RowResultsDoNotDependOnHowRowsAreGrouped) {
  const int64_t rows = 48, depth = 300, cols = 64;
  const std::vector<float> a = Normal(rows * depth), b = Normal(depth * cols);
  std::vector<float> whole(rows * cols), parts(rows * cols);
  MatMul({a.data(), 1, rows}, {b.data(), cols}, whole.data(), cols, rows, depth, cols, false);
  for (int64_t begin = 0; begin < rows;) {
    const int64_t count = std::min(rows - begin, Integer(1, 11));
    MatMul({a.data() + begin, 1, rows}, {b.data(), cols}, parts.data() + begin * cols, cols, count, depth, cols, false);
    begin += count;
  }
  EXPECT_EQ(whole, parts);
}

TEST_P(MatMulTest, ProjectionOfPanelsEqualsTheDoubleProduct) {
  for (int trial = 0; trial < 60; ++trial) {
    const int64_t rows = Integer(1, 40), depth = Integer(1, 90), cols = kPad * Integer(1, 9);
    const int64_t stride = cols + kPad * Integer(0, 2);
    const std::vector<float> w = Normal(rows * depth), x = Normal(depth * stride), first = Normal(cols);
    std::vector<float> panels(PanelRowCount(rows) * depth), u(PanelRowCount(rows) * stride, -7.0f);
    PackPanels(w.data(), depth, rows, depth, panels.data());
    const bool starts = trial % 2 == 0;
    Project({panels.data(), rows, depth}, x.data(), stride, cols, starts ? first.data() : nullptr, u.data());
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t t = 0; t < stride; ++t) {
        if (t >= cols) {
          ASSERT_EQ(u[r * stride + t], -7.0f) << "wrote past the columns";
          continue;
        }
        double exact = starts ? first[t] : 0, magnitude = std::abs(exact);
        for (int64_t k = 0; k < depth; ++k) {
          const double term = static_cast<double>(w[r * depth + k]) * x[k * stride + t];
          exact += term;
          magnitude += std::abs(term);
        }
        ASSERT_NEAR(u[r * stride + t], exact, (depth + 1) * std::ldexp(magnitude, -24));
      }
    }
  }
}

// 200,000 tiles are 10 million tokens. Plain float32 adds of tile sums are wrong by far more than 1e-6 here.
TEST_P(MatMulTest, CompensatedSumsDoNotDriftOverTenMillionTokens) {
  const int64_t rows = 3, depth = 4;
  std::vector<float> a(rows * depth, 0.1f), b(depth * kPad, 0.7f);
  std::vector<float> sums(rows * kPad), compensation(rows * kPad), plain(rows * kPad);
  constexpr int kTiles = 200'000;
  for (int i = 0; i < kTiles; ++i) {
    CompensatedMatMul({a.data(), depth, 1}, {b.data(), kPad}, sums.data(), compensation.data(), kPad, rows, depth,
                      kPad);
    MatMul({a.data(), depth, 1}, {b.data(), kPad}, plain.data(), kPad, rows, depth, kPad, true);
  }
  const double exact = kTiles * depth * static_cast<double>(0.1f) * static_cast<double>(0.7f);
  for (int64_t i = 0; i < rows * kPad; ++i) {
    EXPECT_NEAR((static_cast<double>(sums[i]) - compensation[i]) / exact, 1, 2e-7);
    EXPECT_GT(std::abs(plain[i] / exact - 1), 1e-5) << "the plain sum would have done";
  }
}

}  // namespace
}  // namespace favor::kernels
