#include "tests/support/laws/symmetry.h"

#include "tests/property/every_map.h"

namespace favor::testing {
namespace {

class Symmetry : public EveryMap {};

TEST_P(Symmetry, PermutingKeysWithValuesChangesNothing) {
  const AttentionCase attention_case = CaseOf({2, 2, 1, 50, 130, 9, 5}, 31, /*causal=*/false);
  const Verdict verdict =
      PermutingKeysWithValuesChangesNothing(LibraryAttention(), attention_case, kTwiceFloat32Tolerance);
  EXPECT_TRUE(verdict.holds) << verdict;
}

TEST_P(Symmetry, PermutingQueriesPermutesOutputs) {
  const AttentionCase attention_case = CaseOf({2, 2, 1, 130, 50, 9, 5}, 37, /*causal=*/false);
  // A query's arithmetic is its own, wherever it stands in a tile: the bits are the same.
  const Verdict verdict = PermutingQueriesPermutesOutputs(LibraryAttention(), attention_case, 0);
  EXPECT_TRUE(verdict.holds) << verdict;
}

TEST_P(Symmetry, OutputIsLinearInTheValues) {
  for (const bool causal : {false, true}) {
    const AttentionCase attention_case = CaseOf({2, 2, 1, 70, 70, 9, 5}, 43, causal);
    // Two outputs of up to twice the size of the sum are added.
    const Verdict verdict = OutputIsLinearInTheValues(LibraryAttention(), attention_case, 4 * kTwiceFloat32Tolerance);
    EXPECT_TRUE(verdict.holds) << verdict;
  }
}

INSTANTIATE_TEST_SUITE_P(, Symmetry, ::testing::ValuesIn(ServedMaps()), MapName);

class ConstantValue : public EveryMap {};

TEST_P(ConstantValue, ComesBack) {
  for (const bool causal : {false, true}) {
    const AttentionCase attention_case = CaseOf({2, 4, 2, 150, 150, 9, 5}, 41, causal);
    // Numerator and denominator are sums of the same terms: only their rounding differs, whatever the features are.
    const Verdict verdict = ConstantValueComesBack(LibraryAttention(), attention_case, 2e-6);
    EXPECT_TRUE(verdict.holds) << verdict;
  }
}

INSTANTIATE_TEST_SUITE_P(, ConstantValue, ::testing::ValuesIn(PositiveMaps()), MapName);

}  // namespace
}  // namespace favor::testing
