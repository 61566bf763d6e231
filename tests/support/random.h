#ifndef FAVOR_TESTS_SUPPORT_RANDOM_H_
#define FAVOR_TESTS_SUPPORT_RANDOM_H_

#include <cstdint>
#include <vector>

#include "tests/support/tensor.h"

namespace favor::testing {

// Random inputs of tests: the same on every machine and standard library, and nothing of the library's own generator.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t Bits();                             // uniform on 64 bits (SplitMix64)
  double Uniform();                            // in (0, 1)
  int64_t Integer(int64_t low, int64_t high);  // both ends included
  bool OneIn(int64_t n) { return Integer(1, n) == 1; }
  double Gaussian();  // N(0, 1)
  int64_t OneOf(const std::vector<int64_t>& choices) { return choices[Integer(0, choices.size() - 1)]; }

  std::vector<double> GaussianVector(int64_t size, double scale = 1);
  // Entries N(0, scale^2), rounded to float32 so that float and double computations start from the same numbers.
  DoubleTensor GaussianTensor(const Shape& shape, double scale = 1);
  std::vector<int64_t> Permutation(int64_t size);

 private:
  uint64_t state_;
};

}  // namespace favor::testing

#endif  // FAVOR_TESTS_SUPPORT_RANDOM_H_
