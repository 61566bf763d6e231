#include "favor/kernels/panels.h"

#include <algorithm>

namespace favor::kernels {

void PackPanels(const float* rows, int64_t stride, int64_t count, int64_t depth, float* panels) {
  for (int64_t begin = 0; begin < count; begin += kPanel, panels += kPanel * depth) {
    const int64_t filled = std::min(kPanel, count - begin);
    for (int64_t k = 0; k < depth; ++k) {
      float* column = panels + k * kPanel;
      for (int64_t i = 0; i < filled; ++i) column[i] = rows[(begin + i) * stride + k];
      std::fill(column + filled, column + kPanel, 0.0f);
    }
  }
}

}  // namespace favor::kernels
