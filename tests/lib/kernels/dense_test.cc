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
    case Activation::kSilu:
      return t / (1 + std::exp(-t));
  }
  return NAN;
}

class DenseTest : public EveryTarget {
 protected:
  void Check(int64_t rows, int64_t depth, int64_t num_tokens, Activation f, bool add) {
    SCOPED_TRACE(testing::Message() << rows << " rows, depth " << depth << ", " << num_tokens << " tokens, activation "
                                    << static_cast<int>(f) << (add ? ", added" : ""));
    const int64_t num_tiles = (num_tokens + kTile - 1) / kTile;
    const int64_t x_stride = depth * kTile + 7, y_stride = PanelRowCount(rows) * kTile + 5;
    const std::vector<float> weights = Normal(rows * depth, 1 / std::sqrt(depth)), x = Normal(num_tiles * x_stride);
    std::vector<float> bias = Normal(PanelRowCount(rows)), panels(PanelRowCount(rows) * depth);
    std::fill(bias.begin() + rows, bias.end(), 0.0f);
    PackPanels(weights.data(), depth, rows, depth, panels.data());
    const std::vector<float> before = Normal(num_tiles * y_stride);
    std::vector<float> y = before;
    Dense({panels.data(), rows, depth}, bias.data(), x.data(), x_stride, num_tokens, f, add, y.data(), y_stride);
    for (int64_t t = 0; t < num_tiles * kTile; ++t) {
      for (int64_t r = 0; r < rows; ++r) {
        const int64_t at = t / kTile * y_stride + r * kTile + t % kTile;
        if (t >= Padded(num_tokens)) {
          ASSERT_EQ(y[at], before[at]) << "a column past the last was written";
        } else if (t < num_tokens) {
          CheckSum(&weights[r * depth], depth, &x[t / kTile * x_stride + t % kTile], bias[r] + (add ? before[at] : 0.0),
                   std::abs(bias[r]) + (add ? std::abs(before[at]) : 0), f, y[at]);
        }
      }
    }
  }

  static void CheckSum(const float* weights, int64_t depth, const float* x, double start, double size, Activation f,
                       float got) {
    double sum = start;
    for (int64_t k = 0; k < depth; ++k) {
      const double product = static_cast<double>(weights[k]) * x[k * kTile];
      sum += product;
      size += std::abs(product);
    }
    // No activation is steeper than 1.13.
    const double bound = (depth + 2) * 0x1p-24 * size * 1.13 + (f == Activation::kNone ? 0 : 2e-7 * std::abs(sum));
    ASSERT_NEAR(got, Exactly(f, sum), bound);
  }
};
FAVOR_ON_EVERY_TARGET(DenseTest);

TEST_P(DenseTest, KeepsItsErrorBoundForAnyShape) {
  for (int i = 0; i < 30; ++i) {
    Check(Integer(1, 130), Integer(1, 200), Integer(1, 3 * kTile), static_cast<Activation>(Integer(0, 4)), i % 2 == 0);
  }
  Check(1, 1, 1, Activation::kNone, true);
  Check(6, 1536, 2 * kTile, Activation::kGelu, false);
  Check(7, 513, kTile + 1, Activation::kNone, true);
}

TEST_P(DenseTest, ATokensBitsDoNotDependOnItsNeighbours) {
  const int64_t rows = 18, depth = 75;
  const std::vector<float> weights = Normal(rows * depth), bias = Normal(rows), x = Normal(depth * kTile);
  std::vector<float> panels(rows * depth), alone(depth * kTile), together(rows * kTile), single(rows * kTile);
  PackPanels(weights.data(), depth, rows, depth, panels.data());
  Dense({panels.data(), rows, depth}, bias.data(), x.data(), 0, kTile, Activation::kGelu, false, together.data(), 0);
  for (const int64_t token : {0, 15, 16, 31, 47}) {
    for (int64_t k = 0; k < depth; ++k) alone[k * kTile] = x[k * kTile + token];
    Dense({panels.data(), rows, depth}, bias.data(), alone.data(), 0, 1, Activation::kGelu, false, single.data(), 0);
    for (int64_t r = 0; r < rows; ++r) ASSERT_EQ(single[r * kTile], together[r * kTile + token]);
  }
}

}  // namespace
}  // namespace favor::kernels
