#include "tests/support/random.h"

#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

namespace favor::testing {

uint64_t Random::Bits() {
  uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

double Random::Uniform() { return (static_cast<double>(Bits() >> 11) + 0.5) * 0x1p-53; }

int64_t Random::Integer(int64_t low, int64_t high) {
  return low + static_cast<int64_t>(Bits() % static_cast<uint64_t>(high - low + 1));
}

double Random::Gaussian() {
  const double radius = std::sqrt(-2 * std::log(Uniform()));
  return radius * std::cos(2 * std::numbers::pi * Uniform());
}

std::vector<double> Random::GaussianVector(int64_t size, double scale) {
  std::vector<double> values(size);
  for (double& value : values) value = static_cast<float>(scale * Gaussian());
  return values;
}

DoubleTensor Random::GaussianTensor(const Shape& shape, double scale) {
  DoubleTensor tensor;
  tensor.shape = shape;
  tensor.values = GaussianVector(shape.num_elements(), scale);
  return tensor;
}

std::vector<int64_t> Random::Permutation(int64_t size) {
  std::vector<int64_t> order(size);
  std::iota(order.begin(), order.end(), 0);
  for (int64_t i = size - 1; i > 0; --i) std::swap(order[i], order[Integer(0, i)]);
  return order;
}

}  // namespace favor::testing
