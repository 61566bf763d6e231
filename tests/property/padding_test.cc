#include "tests/property/every_map.h"
#include "tests/support/implementation.h"
#include "tests/support/laws/masking.h"

namespace favor::testing {
namespace {

class Padding : public EveryMap {};

TEST_P(Padding, NeverShowsInBidirectionalAttention) {
  AttentionCase attention_case = CaseOf({5, 2, 1, 60, 110, 9, 5}, 23, /*causal=*/false);
  attention_case.query_lengths = {60, 48, 1, 0, 33};
  attention_case.key_lengths = {97, 48, 110, 50, 1};
  const Verdict verdict = PaddingNeverShows(LibraryAttention(), attention_case, kTwiceFloat32Tolerance);
  EXPECT_TRUE(verdict.holds) << verdict;
}

TEST_P(Padding, NeverShowsInCausalAttention) {
  AttentionCase attention_case = CaseOf({5, 2, 1, 110, 110, 9, 5}, 29, /*causal=*/true);
  attention_case.query_lengths = attention_case.key_lengths = {97, 48, 110, 0, 1};
  const Verdict verdict = PaddingNeverShows(LibraryAttention(), attention_case, kTwiceFloat32Tolerance);
  EXPECT_TRUE(verdict.holds) << verdict;
}

TEST_P(Padding, OfAllKeysLeavesRowsOfZerosThatAreCounted) {
  AttentionCase attention_case = CaseOf({2, 2, 1, 30, 20, 9, 5}, 29, /*causal=*/false);
  attention_case.key_lengths = {0, 20};
  attention_case.query_lengths = {25, 0};
  const absl::StatusOr<AttentionResult> result = Compute(LibraryAttention(), attention_case);
  ASSERT_TRUE(result.ok()) << result.status();
  for (const double value : result->output.values) ASSERT_EQ(value, 0);
  // 25 valid queries of 2 heads see no key; a padding query is not a row.
  EXPECT_EQ(result->report.degenerate_rows, 50);
}

INSTANTIATE_TEST_SUITE_P(, Padding, ::testing::ValuesIn(ServedMaps()), MapName);

}  // namespace
}  // namespace favor::testing
