// The library against the double-precision oracle, for every map and shapes of all kinds.
#include <utility>
#include <vector>

#include "tests/property/every_map.h"
#include "tests/support/laws/accuracy.h"

namespace favor::testing {
namespace {

class OracleAgreement : public EveryMap {};

TEST_P(OracleAgreement, OfBidirectionalAttentionOfAnyShape) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    const AttentionCase attention_case = RandomCase(seed, /*causal=*/false);
    const Verdict verdict = AgreesWithOracle(LibraryAttention(), attention_case, kFloat32Tolerance);
    EXPECT_TRUE(verdict.holds) << "seed " << seed << ", " << attention_case.Describe() << ": " << verdict;
  }
}

TEST_P(OracleAgreement, OfCausalAttentionOfAnyShape) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    const AttentionCase attention_case = RandomCase(100 + seed, /*causal=*/true);
    const Verdict verdict = AgreesWithOracle(LibraryAttention(), attention_case, kFloat32Tolerance);
    EXPECT_TRUE(verdict.holds) << "seed " << 100 + seed << ", " << attention_case.Describe() << ": " << verdict;
  }
}

TEST_P(OracleAgreement, AtEveryLengthAroundTheEndsOfTiles) {
  for (const bool causal : {false, true}) {
    for (const int64_t length : {0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 23, 24, 25, 47, 48, 49, 95, 96, 97, 145}) {
      const AttentionCase attention_case = CaseOf({1, 1, 1, length, length, 5, 3}, 3, causal);
      const Verdict verdict = AgreesWithOracle(LibraryAttention(), attention_case, kFloat32Tolerance);
      EXPECT_TRUE(verdict.holds) << attention_case.Describe() << ": " << verdict;
    }
  }
}

// So few that they are multiplied with queries before values, where both are many features and wide values.
TEST_P(OracleAgreement, OfFewKeys) {
  for (const auto& [num_queries, num_keys] :
       std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {1, 48}, {16, 15}, {100, 7}, {24, 24}, {49, 20}}) {
    AttentionCase attention_case = CaseOf({2, 4, 2, num_queries, num_keys, 8, 90}, 11, /*causal=*/false);
    attention_case.key_lengths = {num_keys, num_keys / 2};
    const Verdict verdict = AgreesWithOracle(LibraryAttention(), attention_case, kFloat32Tolerance);
    EXPECT_TRUE(verdict.holds) << attention_case.Describe() << ": " << verdict;
  }
}

TEST_P(OracleAgreement, AtAnyScale) {
  for (const bool causal : {false, true}) {
    for (const double scale : {0.01, 0.7, 2.0}) {
      AttentionCase attention_case = CaseOf({1, 2, 1, 49, 49, 6, 4}, 5, causal);
      attention_case.spec.scale = scale;
      // sqrt(6) * 2 makes inputs 2.2 times as large as by default, so exponents round 4.9 times as coarsely.
      const Verdict verdict = AgreesWithOracle(LibraryAttention(), attention_case, 5 * kFloat32Tolerance);
      EXPECT_TRUE(verdict.holds) << "scale " << scale << ", " << attention_case.Describe() << ": " << verdict;
    }
  }
}

TEST_P(OracleAgreement, WithLengthsOfQueriesAndKeysApart) {
  for (const bool causal : {false, true}) {
    AttentionCase attention_case = CaseOf({4, 2, 2, 60, 60, 6, 4}, 7, causal);
    attention_case.query_lengths = {60, 50, 0, 7};
    attention_case.key_lengths = {49, 60, 10, 0};
    const Verdict verdict = AgreesWithOracle(LibraryAttention(), attention_case, kFloat32Tolerance);
    EXPECT_TRUE(verdict.holds) << attention_case.Describe() << ": " << verdict;
  }
}

TEST_P(OracleAgreement, WithOneProjectionPerKeyHead) {
  if (!GetParam().takes_projection) GTEST_SKIP() << "takes no projection";
  if (GetParam().structured) GTEST_SKIP() << "a drawn projection is shared by all heads";
  for (const bool causal : {false, true}) {
    AttentionCase attention_case = CaseOf({2, 6, 3, 50, 50, 6, 4}, 9, causal);
    attention_case.projection =
        TestProjection(24, 6, 13, GetParam().spec.features.kernel == Kernel::kSoftmaxRegularized, /*num_matrices=*/3);
    const Verdict verdict = AgreesWithOracle(LibraryAttention(), attention_case, kFloat32Tolerance);
    EXPECT_TRUE(verdict.holds) << attention_case.Describe() << ": " << verdict;
  }
}

INSTANTIATE_TEST_SUITE_P(, OracleAgreement, ::testing::ValuesIn(ServedMaps()), MapName);

}  // namespace
}  // namespace favor::testing
