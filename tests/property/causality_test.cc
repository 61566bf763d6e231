#include "tests/support/laws/causality.h"

#include "tests/property/every_map.h"

namespace favor::testing {
namespace {

class Causality : public EveryMap {};

TEST_P(Causality, ALaterRowNeverChangesAnEarlierOutputByABit) {
  const AttentionCase attention_case = CaseOf({2, 2, 1, 130, 130, 9, 5}, 17, /*causal=*/true);
  for (const int64_t position : {1, 2, 5, 8, 9, 16, 17, 31, 32, 47, 48, 49, 63, 64, 80, 96, 97, 127, 129}) {
    const Verdict verdict = LaterRowsNeverChangeEarlierOutputs(LibraryAttention(), attention_case, position);
    EXPECT_TRUE(verdict.holds) << verdict;
  }
}

// At this scale float32 has to take care of keys whose features differ by e^400.
TEST_P(Causality, ALaterRowNeverChangesAnEarlierOutputByABitAtInputScale10) {
  AttentionCase attention_case = CaseOf({1, 1, 1, 130, 130, 9, 5}, 17, /*causal=*/true);
  for (double& value : attention_case.queries.values) value *= 10;
  for (double& value : attention_case.keys.values) value *= 10;
  for (const int64_t position : {1, 9, 17, 31, 48, 63, 80, 97, 127}) {
    const Verdict verdict = LaterRowsNeverChangeEarlierOutputs(LibraryAttention(), attention_case, position);
    EXPECT_TRUE(verdict.holds) << verdict;
  }
}

TEST_P(Causality, OutputsAreThoseOfBidirectionalAttentionOnThePrefix) {
  // Bidirectional no_projection normalises keys over the length; its causal form is another attention.
  if (!GetParam().weighs_keys_apart) GTEST_SKIP() << "defined otherwise";
  const AttentionCase attention_case = CaseOf({2, 2, 1, 100, 100, 9, 5}, 19, /*causal=*/true);
  const Verdict verdict =
      CausalOutputsAreBidirectionalOnThePrefix(LibraryAttention(), attention_case, /*step=*/7, kTwiceFloat32Tolerance);
  EXPECT_TRUE(verdict.holds) << verdict;
}

INSTANTIATE_TEST_SUITE_P(, Causality, ::testing::ValuesIn(ServedMaps()), MapName);

}  // namespace
}  // namespace favor::testing
