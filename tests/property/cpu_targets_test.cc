// Every instruction set this CPU has computes attention, not only the best one.
#include "favor/kernels/cpu_target.h"
#include "tests/property/every_map.h"
#include "tests/support/laws/accuracy.h"
#include "tests/support/laws/causality.h"

namespace favor::testing {
namespace {

class CpuTargets : public EveryMap {
 protected:
  void TearDown() override { ForceCpuTargetForTest(""); }
};

TEST_P(CpuTargets, AgreeWithTheOracle) {
  for (const std::string& target : SupportedCpuTargets()) {
    ASSERT_TRUE(ForceCpuTargetForTest(target));
    for (const bool causal : {false, true}) {
      const AttentionCase attention_case = CaseOf({2, 2, 1, 101, 101, 17, 19}, 131, causal);
      const Verdict verdict = AgreesWithOracle(LibraryAttention(), attention_case, kFloat32Tolerance);
      EXPECT_TRUE(verdict.holds) << target << ", " << attention_case.Describe() << ": " << verdict;
    }
  }
}

TEST_P(CpuTargets, KeepLaterRowsOutOfEarlierOutputs) {
  for (const std::string& target : SupportedCpuTargets()) {
    ASSERT_TRUE(ForceCpuTargetForTest(target));
    const AttentionCase attention_case = CaseOf({1, 1, 1, 100, 100, 9, 5}, 137, /*causal=*/true);
    for (const int64_t position : {5, 48, 60}) {
      const Verdict verdict = LaterRowsNeverChangeEarlierOutputs(LibraryAttention(), attention_case, position);
      EXPECT_TRUE(verdict.holds) << target << ": " << verdict;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, CpuTargets, ::testing::ValuesIn(ServedMaps()), MapName);

}  // namespace
}  // namespace favor::testing
