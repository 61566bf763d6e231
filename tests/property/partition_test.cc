// Whole = sum of its parts: batches, heads, chunks of queries, segments of keys.
#include "tests/support/laws/partition.h"

#include "tests/property/every_map.h"

namespace favor::testing {
namespace {

class Partition : public EveryMap {};

TEST_P(Partition, BatchEqualsItsSequences) {
  for (const bool causal : {false, true}) {
    AttentionCase attention_case = CaseOf({4, 2, 1, 100, 100, 9, 5}, 47, causal);
    attention_case.query_lengths = {100, 99, 1, 50};
    attention_case.key_lengths = {100, 49, 0, 100};
    const Verdict verdict = BatchEqualsItsSequences(LibraryAttention(), attention_case, kTwiceFloat32Tolerance);
    EXPECT_TRUE(verdict.holds) << verdict;
  }
}

TEST_P(Partition, HeadsEqualEachHeadAlone) {
  for (const bool causal : {false, true}) {
    for (const int64_t num_key_heads : {1, 2, 3, 6}) {
      const AttentionCase attention_case = CaseOf({1, 6, num_key_heads, 70, 70, 9, 5}, 53, causal);
      const Verdict verdict = HeadsEqualEachHeadAlone(LibraryAttention(), attention_case, kTwiceFloat32Tolerance);
      EXPECT_TRUE(verdict.holds) << verdict;
    }
  }
}

TEST_P(Partition, QueryChunksEqualTheWhole) {
  const AttentionCase attention_case = CaseOf({2, 2, 1, 100, 60, 9, 5}, 59, /*causal=*/false);
  for (const int64_t chunk_length : {1, 30, 48}) {
    const Verdict verdict =
        QueryChunksEqualTheWhole(LibraryAttention(), attention_case, chunk_length, kTwiceFloat32Tolerance);
    EXPECT_TRUE(verdict.holds) << "chunks of " << chunk_length << ": " << verdict;
  }
}

TEST_P(Partition, SegmentsOfKeysMixToTheWhole) {
  // Bidirectional no_projection normalises each feature over all keys.
  if (!GetParam().weighs_keys_apart) GTEST_SKIP() << "keys are not weighed apart";
  if (!GetParam().positive)
    GTEST_SKIP() << "a part's denominator may vanish, or turn negative, where the whole's does not";
  const AttentionCase attention_case = CaseOf({2, 2, 1, 50, 120, 9, 5}, 61, /*causal=*/false);
  for (const int64_t position : {1, 47, 48, 60, 119}) {
    const Verdict verdict =
        SegmentsOfKeysMixToTheWhole(LibraryAttention(), attention_case, position, 2 * kTwiceFloat32Tolerance);
    EXPECT_TRUE(verdict.holds) << "cut at " << position << ": " << verdict;
  }
}

INSTANTIATE_TEST_SUITE_P(, Partition, ::testing::ValuesIn(ServedMaps()), MapName);

}  // namespace
}  // namespace favor::testing
