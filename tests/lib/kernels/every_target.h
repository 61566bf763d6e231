#ifndef FAVOR_TESTS_LIB_KERNELS_EVERY_TARGET_H_
#define FAVOR_TESTS_LIB_KERNELS_EVERY_TARGET_H_

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "favor/kernels/cpu_target.h"
#include "gtest/gtest.h"

namespace favor::kernels {

// Runs a test on every instruction set this CPU has, the kernels forced to it.
class EveryTarget : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { ASSERT_TRUE(ForceCpuTargetForTest(GetParam())); }
  void TearDown() override { ForceCpuTargetForTest(""); }

  std::mt19937_64 random_{20261123};

  int64_t Integer(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(random_); }

  std::vector<float> Normal(int64_t count, float deviation = 1) {
    std::normal_distribution<float> normal(0, deviation);
    std::vector<float> values(count);
    for (float& value : values) value = normal(random_);
    return values;
  }
};

#define FAVOR_ON_EVERY_TARGET(Suite)                                                      \
  INSTANTIATE_TEST_SUITE_P(Cpu, Suite, testing::ValuesIn(::favor::SupportedCpuTargets()), \
                           [](const auto& info) { return info.param; })

}  // namespace favor::kernels

#endif  // FAVOR_TESTS_LIB_KERNELS_EVERY_TARGET_H_
