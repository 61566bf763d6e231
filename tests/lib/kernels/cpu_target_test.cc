#include "favor/kernels/cpu_target.h"

#include "gtest/gtest.h"

namespace favor {
namespace {

TEST(CpuTarget, TheBestSupportedTargetRunsUnlessForced) {
  ASSERT_FALSE(SupportedCpuTargets().empty());
  const std::string best = CpuTargetName();
  EXPECT_EQ(best, SupportedCpuTargets().front());
  for (const std::string& target : SupportedCpuTargets()) {
    ASSERT_TRUE(ForceCpuTargetForTest(target));
    EXPECT_EQ(CpuTargetName(), target);
  }
  EXPECT_TRUE(ForceCpuTargetForTest(""));
  EXPECT_EQ(CpuTargetName(), best);
}

TEST(CpuTarget, AnUnknownTargetIsRefused) {
  EXPECT_FALSE(ForceCpuTargetForTest("AVX-9000"));
  EXPECT_EQ(CpuTargetName(), SupportedCpuTargets().front());
}

}  // namespace
}  // namespace favor
