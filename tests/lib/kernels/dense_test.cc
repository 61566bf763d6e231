#include "favor/kernels/dense.h"

#include <cmath>
#include <vector>

#include "favor/kernels/tile.h"
#include "tests/lib/kernels/every_target.h"

namespace favor::kernels {
namespace {

double Exactly(Activation f, double t) {
  switch (f) {
    case Activation::kNone:
      return t;
    case Activation::kRelu:
      return std::max(t, 0.0);
    case Activation::kGelu:
      return 0.5 * t * std::erfc(-t * std::sqrt(0.5));
    case Activation::kGeluTanh:
      return 0.5 * t * (1 + std::tanh(std::sqrt(2 / M_PI) * (t + 0.044715 * t * t * t)));
  }
  return NAN;
}

class DenseTest : public EveryTarget {
 protected:
  void Check(int64_t rows, int64_t depth, int64_t cols, Activation f, bool add) {
    SCOPED_TRACE(testing::Message() << rows << " rows, depth " << depth << ", " << cols << " columns, activation "
                                    << static_cast<int>(f) << (add ? ", added" : ""));
    const std::vector<float> weights = Normal(rows * depth, 1 / std::sqrt(depth)), x = Normal(depth * kTile);
    std::vector<float> bias = Normal(PanelRowCount(rows)), panels(PanelRowCount(rows) * depth);
    std::fill(bias.begin() + rows, bias.end(), 0.0f);
    PackPanels(weights.data(), depth, rows, depth, panels.data());
    const std::vector<float> before = Normal(PanelRowCount(rows) * kTile);
    std::vector<float> y = before;
    Dense({panels.data(), rows, depth}, bias.data(), x.data(), cols, f, add, y.data());
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t t = 0; t < kTile; ++t) {
        const float got = y[r * kTile + t];
        if (t >= cols) {
          ASSERT_EQ(got, before[r * kTile + t]) << "a column past the last was written";
          continue;
        }
        double sum = bias[r] + (add ? before[r * kTile + t] : 0.0), size = std::abs(bias[r]) + std::abs(sum);
        for (int64_t k = 0; k < depth; ++k) {
          const double product = static_cast<double>(weights[r * depth + k]) * x[k * kTile + t];
          sum += product;
          size += std::abs(product);
        }
        const double want = Exactly(f, sum);
        // No activation is steeper than 1.13.
        const double bound = (depth + 2) * 0x1p-24 * size * 1.13 + (f == Activation::kNone ? 0 : 2e-7 * std::abs(sum));
        ASSERT_NEAR(got, want, bound) << "row " << r << ", token " << t;
      }
    }
  }
};
FAVOR_ON_EVERY_TARGET(DenseTest);

TEST_P(DenseTest, KeepsItsErrorBoundForAnyShape) {
  for (int i = 0; i < 30; ++i) {
    Check(Integer(1, 130), Integer(1, 200), kPad * Integer(1, kTile / kPad), static_cast<Activation>(Integer(0, 3)),
          i % 2 == 0);
  }
  Check(1, 1, kPad, Activation::kNone, true);
  Check(6, 1536, kTile, Activation::kGelu, false);
  Check(7, 513, kTile, Activation::kNone, true);
}

TEST_P(DenseTest, ATokensBitsDoNotDependOnItsNeighbours) {
  const int64_t rows = 18, depth = 75;
  const std::vector<float> weights = Normal(rows * depth), bias = Normal(rows), x = Normal(depth * kTile);
  std::vector<float> panels(rows * depth), alone(depth * kTile), together(rows * kTile), single(rows * kTile);
  PackPanels(weights.data(), depth, rows, depth, panels.data());
  Dense({panels.data(), rows, depth}, bias.data(), x.data(), kTile, Activation::kGelu, false, together.data());
  for (const int64_t token : {0, 15, 16, 31, 47}) {
    for (int64_t k = 0; k < depth; ++k) alone[k * kTile] = x[k * kTile + token];
    Dense({panels.data(), rows, depth}, bias.data(), alone.data(), kPad, Activation::kGelu, false, single.data());
    for (int64_t r = 0; r < rows; ++r) ASSERT_EQ(single[r * kTile], together[r * kTile + token]);
  }
}

}  // namespace
}  // namespace favor::kernels
