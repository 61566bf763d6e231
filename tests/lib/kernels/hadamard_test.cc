#include "favor/kernels/hadamard.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

#include "favor/kernels/projector.h"
#include "favor/kernels/tile.h"
#include "tests/lib/kernels/every_target.h"

namespace favor::kernels {
namespace {

class HadamardTest : public EveryTarget {};
FAVOR_ON_EVERY_TARGET(HadamardTest);

// row_scales[r] (H D1 H D2 H D3 x)_r for one block, from the definition H_ij = (-1)^popcount(i & j).
std::vector<double> ExactBlock(const HadamardBlocks& w, int64_t block, std::vector<double> x) {
  x.resize(w.size);
  for (int round = 2; round >= 0; --round) {
    std::vector<double> product(w.size);
    for (int64_t i = 0; i < w.size; ++i) {
      for (int64_t j = 0; j < w.size; ++j) {
        const double sign = std::popcount(static_cast<uint64_t>(i & j)) % 2 == 0 ? 1 : -1;
        product[i] += sign * w.signs[(block * 3 + round) * w.size + j] * x[j];
      }
    }
    x = product;
  }
  for (int64_t i = 0; i < w.size; ++i) x[i] *= w.row_scales[block * w.size + i];
  return x;
}

TEST_P(HadamardTest, EqualsTheProductOfItsFactorsWithinTheStatedError) {
  for (const int64_t size : {32, 64, 128, 256, 512}) {
    const int64_t blocks = Integer(1, 2), depth = Integer(size / 2 + 1, size),
                  rows = size * blocks - Integer(0, size - 1);
    const int64_t cols = kPad * Integer(1, 9), stride = cols + kPad * Integer(0, 2);
    std::vector<float> signs(blocks * 3 * size), scales = Normal(blocks * size), first = Normal(cols);
    for (float& sign : signs) sign = Integer(0, 1) == 0 ? 1 : -1;
    const std::vector<float> x = Normal(depth * stride);
    const HadamardBlocks w{signs.data(), scales.data(), size, rows, depth};
    const bool starts = Integer(0, 1) == 0;
    std::vector<float> u(Projector(w).padded_rows() * stride, -7.0f);
    ASSERT_EQ(Projector(w).padded_rows(), blocks * size);
    ProjectHadamard(w, x.data(), stride, cols, starts ? first.data() : nullptr, u.data());
    for (int64_t t = 0; t < stride; ++t) {
      if (t >= cols) {
        for (int64_t r = 0; r < blocks * size; ++r) ASSERT_EQ(u[r * stride + t], -7.0f) << "wrote past the columns";
        continue;
      }
      if (t % 5 != 0) continue;  // the definition is slow
      std::vector<double> column(depth);
      double norm = 0;
      for (int64_t l = 0; l < depth; ++l) norm += std::pow(column[l] = x[l * stride + t], 2);
      norm = std::sqrt(norm);
      for (int64_t block = 0; block < blocks; ++block) {
        const std::vector<double> exact = ExactBlock(w, block, column);
        for (int64_t i = 0; i < size; ++i) {
          const int64_t r = block * size + i;
          const double start = starts ? first[t] : 0;
          const double bound = (3 * std::log2(size) + 2) * std::pow(size, 1.5) * std::abs(scales[r]) * norm;
          ASSERT_NEAR(u[r * stride + t], start + exact[i], std::ldexp(bound + std::abs(start), -24))
              << size << ", " << r;
        }
      }
    }
  }
}

TEST_P(HadamardTest, SlicesAreTheRowsOfTheWhole) {
  const int64_t size = 32, blocks = 4, depth = 21, stride = kTile;
  std::vector<float> signs(blocks * 3 * size), scales = Normal(blocks * size);
  for (float& sign : signs) sign = Integer(0, 1) == 0 ? 1 : -1;
  const std::vector<float> x = Normal(depth * stride);
  const Projector w = HadamardBlocks{signs.data(), scales.data(), size, blocks * size - 3, depth};
  std::vector<float> whole(w.padded_rows() * stride), part(w.padded_rows() * stride);
  w.Project(x.data(), stride, kTile, nullptr, whole.data());
  const int64_t step = w.GrainsIn(70);
  ASSERT_EQ(step, 64);
  for (int64_t begin = 0; begin < w.rows(); begin += step) {
    w.Slice(begin, std::min(step, w.rows() - begin)).Project(x.data(), stride, kTile, nullptr, &part[begin * stride]);
  }
  EXPECT_EQ(whole, part);
}

}  // namespace
}  // namespace favor::kernels
