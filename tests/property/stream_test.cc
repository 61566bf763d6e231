// Attention by pieces is attention: whatever the pieces, for every map.
#include "absl/strings/str_cat.h"
#include "favor/attention/attention_stream.h"
#include "tests/property/every_map.h"
#include "tests/support/errors.h"
#include "tests/support/laws/accuracy.h"
#include "tests/support/streamed_attention.h"

namespace favor::testing {
namespace {

// Every map but exact attention, which has no state.
std::vector<ServedMap> MapsWithState() {
  std::vector<ServedMap> maps = ServedMaps();
  std::erase_if(maps, [](const ServedMap& map) { return map.spec.mode == AttentionMode::kExact; });
  return maps;
}

class Stream : public EveryMap {
 protected:
  // Few heads and long pieces, for which plans work on parts of the features, or on segments of the keys.
  AttentionCase LongCase(bool causal) const {
    const AttentionSpec spec = Spec(causal);
    const bool quadratic = spec.features.kernel == Kernel::kTaylor2 || spec.features.kernel == Kernel::kPolynomial2;
    const AttentionShape shape{1, 2, 1, 4'000, 4'000, quadratic ? 4 : 8, 5};
    return GaussianCase(spec, shape, ProjectionFor(150, shape.head_dim, 7), 7);
  }
};

TEST_P(Stream, PiecesOfAnyLengthGiveTheWhole) {
  for (const bool causal : {false, true}) {
    for (uint64_t seed = 1; seed <= 6; ++seed) {
      const AttentionCase attention_case = RandomCase(200 + seed, causal);
      for (const int64_t max_length : {1, 60}) {
        const Verdict verdict = AgreesWithOracle(StreamedAttention({.seed = seed, .max_length = max_length}),
                                                 attention_case, kFloat32Tolerance);
        EXPECT_TRUE(verdict.holds) << "seed " << seed << ", pieces up to " << max_length << ", "
                                   << attention_case.Describe() << ": " << verdict;
      }
    }
  }
}

TEST_P(Stream, StatesOfShardsMergeToTheWholeInAnyOrder) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    const AttentionCase attention_case = RandomCase(300 + seed, /*causal=*/false);
    const Verdict verdict = AgreesWithOracle(StreamedAttention({.seed = seed, .max_length = 30, .num_shards = 5}),
                                             attention_case, kFloat32Tolerance);
    EXPECT_TRUE(verdict.holds) << "seed " << seed << ", " << attention_case.Describe() << ": " << verdict;
  }
}

TEST_P(Stream, LengthsOfQueriesAndKeysCutAcrossPieces) {
  for (const bool causal : {false, true}) {
    AttentionCase attention_case = CaseOf({4, 2, 2, 60, 60, 6, 4}, 7, causal);
    attention_case.query_lengths = {60, 50, 0, 7};
    attention_case.key_lengths = {49, 60, 10, 0};
    for (uint64_t seed = 1; seed <= 3; ++seed) {
      const Verdict verdict = AgreesWithOracle(StreamedAttention({.seed = seed}), attention_case, kFloat32Tolerance);
      EXPECT_TRUE(verdict.holds) << attention_case.Describe() << ": " << verdict;
    }
  }
}

TEST_P(Stream, HasOneProjectionPerKeyHead) {
  if (!GetParam().takes_projection) GTEST_SKIP() << "takes no projection";
  if (GetParam().structured) GTEST_SKIP() << "a drawn projection is shared by all heads";
  for (const bool causal : {false, true}) {
    AttentionCase attention_case = CaseOf({2, 6, 3, 50, 50, 6, 4}, 9, causal);
    attention_case.projection =
        TestProjection(24, 6, 13, GetParam().spec.features.kernel == Kernel::kSoftmaxRegularized, /*num_matrices=*/3);
    const Verdict verdict = AgreesWithOracle(StreamedAttention({}), attention_case, kFloat32Tolerance);
    EXPECT_TRUE(verdict.holds) << attention_case.Describe() << ": " << verdict;
  }
}

TEST_P(Stream, EpsilonsArePublishedOnesWhereverAStateKnowsThem) {
  if (!SupportsEpsilonParity(Spec(false).features)) GTEST_SKIP() << "no published epsilons";
  const bool generalized = Spec(false).features.kernel == Kernel::kGeneralized;
  const bool softmax = !generalized && Spec(false).features.kernel != Kernel::kNoProjection;
  for (const bool causal : {false, true}) {
    AttentionCase attention_case = CaseOf({2, 4, 2, 90, 90, 6, 4}, 9, causal);
    attention_case.spec.features.epsilon_parity = EpsilonParity{.feature_epsilon = generalized ? 1e-3 : 1e-2};
    attention_case.spec.features.epsilon_parity->prefix_stabiliser = causal && softmax;  // else refused
    if (attention_case.spec.features.kernel == Kernel::kNoProjection) {
      attention_case.spec.features.epsilon_parity->feature_epsilon = 0;
    }
    const Verdict verdict = AgreesWithOracle(StreamedAttention({.num_shards = 3}), attention_case, kFloat32Tolerance);
    EXPECT_TRUE(verdict.holds) << attention_case.Describe() << ": " << verdict;
  }
}

TEST_P(Stream, LongPiecesGiveTheWhole) {
  for (const bool causal : {false, true}) {
    const AttentionCase attention_case = LongCase(causal);
    const absl::StatusOr<AttentionResult> whole = Compute(LibraryAttention(), attention_case);
    ASSERT_TRUE(whole.ok()) << whole.status();
    const absl::StatusOr<AttentionResult> pieces =
        Compute(StreamedAttention({.seed = 5, .max_length = 2'500}), attention_case);
    ASSERT_TRUE(pieces.ok()) << pieces.status();
    if (!GetParam().positive) continue;  // rows may be conditioned in any way
    EXPECT_LT(WorstRowError(pieces->output, whole->output), kTwiceFloat32Tolerance) << attention_case.Describe();
  }
}

TEST_P(Stream, ThreadsDoNotChangeABit) {
  for (const bool causal : {false, true}) {
    for (const AttentionCase& attention_case : {LongCase(causal), CaseOf({3, 4, 2, 300, 300, 8, 5}, 127, causal)}) {
      Cuts cuts{.seed = 3, .max_length = attention_case.keys.shape.length / 2, .num_shards = 2};
      const absl::StatusOr<AttentionResult> alone = Compute(StreamedAttention(cuts), attention_case);
      ASSERT_TRUE(alone.ok()) << alone.status();
      for (const int num_threads : {1, 3}) {
        ThreadPool pool(num_threads);
        cuts.pool = &pool;
        const absl::StatusOr<AttentionResult> shared = Compute(StreamedAttention(cuts), attention_case);
        ASSERT_TRUE(shared.ok()) << shared.status();
        EXPECT_TRUE(SameBits(shared->output, alone->output)) << attention_case.Describe() << " on " << num_threads;
        EXPECT_EQ(shared->report.degenerate_rows, alone->report.degenerate_rows);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, Stream, ::testing::ValuesIn(MapsWithState()), MapName);

}  // namespace
}  // namespace favor::testing
