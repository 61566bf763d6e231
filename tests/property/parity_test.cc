// Epsilon parity beyond the goldens: other shapes, epsilons, lengths and grouped heads, which the reference lacks and
// the state formula defines.
#include "gtest/gtest.h"
#include "tests/property/every_map.h"
#include "tests/support/errors.h"
#include "tests/support/implementation.h"
#include "tests/support/laws/accuracy.h"
#include "tests/support/laws/masking.h"
#include "tests/support/oracle/performer_reference.h"

namespace favor::testing {
namespace {

std::vector<ServedMap> ParityMaps() {
  std::vector<ServedMap> maps = ServedMaps();
  std::erase_if(maps, [](const ServedMap& map) {
    const FeatureSpec& features = map.spec.features;
    const bool softmax = features.kernel == Kernel::kSoftmax || features.kernel == Kernel::kSoftmaxRegularized;
    return map.spec.mode == AttentionMode::kExact || features.precondition || features.antithetic ||
           !((softmax && features.estimator == Estimator::kPositive) || features.kernel == Kernel::kGeneralized ||
             features.kernel == Kernel::kNoProjection);
  });
  for (ServedMap& map : maps) {
    map.spec.features.epsilon_parity = EpsilonParity{};
    if (map.spec.features.kernel == Kernel::kNoProjection) map.spec.features.epsilon_parity->feature_epsilon = 0;
  }
  return maps;
}

class Parity : public EveryMap {};

TEST_P(Parity, AgreesWithTheStateFormulaForAnyShape) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    const AttentionCase attention_case = RandomCase(seed, /*causal=*/seed % 2 == 0);
    // A signed feature near zero is off by the rounding of w.x, which its own magnitude does not tell.
    const double tolerance = GetParam().positive ? kFloat32Tolerance : kTwiceFloat32Tolerance;
    const Verdict verdict = AgreesWithOracle(LibraryAttention(), attention_case, tolerance);
    EXPECT_TRUE(verdict.holds) << "seed " << seed << ", " << attention_case.Describe() << ": " << verdict;
  }
}

TEST_P(Parity, AgreesWithTheStateFormulaForAnyEpsilon) {
  for (const double epsilon : {0.0, 1e-8, 1e-2, 1.0}) {
    for (const bool causal : {false, true}) {
      AttentionCase attention_case = CaseOf({2, 2, 1, 60, 60, 9, 5}, 79, causal);
      attention_case.spec.features.epsilon_parity = EpsilonParity{epsilon, epsilon};
      const Verdict verdict = AgreesWithOracle(LibraryAttention(), attention_case, kFloat32Tolerance);
      EXPECT_TRUE(verdict.holds) << "epsilon " << epsilon << (causal ? ", causal: " : ": ") << verdict;
    }
  }
}

TEST_P(Parity, NeverLetsPaddingShow) {
  for (const bool causal : {false, true}) {
    AttentionCase attention_case = CaseOf({4, 2, 1, 110, 110, 9, 5}, 83, causal);
    attention_case.query_lengths = attention_case.key_lengths = {97, 110, 0, 1};
    const Verdict verdict = PaddingNeverShows(LibraryAttention(), attention_case, kTwiceFloat32Tolerance);
    EXPECT_TRUE(verdict.holds) << verdict;
  }
}

TEST_P(Parity, AgreesAtLargeInputScales) {
  if (GetParam().spec.features.kernel == Kernel::kGeneralized) GTEST_SKIP() << "f(W x) has no stabiliser";
  for (const bool causal : {false, true}) {
    AttentionCase attention_case = CaseOf({1, 1, 1, 100, 100, 9, 5}, 89, causal);
    for (double& value : attention_case.queries.values) value *= 10;
    for (double& value : attention_case.keys.values) value *= 10;
    // |x|^2/2 is some 150 here: 6e-8 of it per exponent, twice.
    const Verdict verdict = AgreesWithOracle(LibraryAttention(), attention_case, 1e-4);
    EXPECT_TRUE(verdict.holds) << (causal ? "causal: " : "bidirectional: ") << verdict;
  }
}

// Without an epsilon nothing tells exp(x) of a far negative x from that of any other.
TEST_P(Parity, WithoutEpsilonsCommonFactorsCancelHoweverSmall) {
  if (GetParam().spec.features.kernel != Kernel::kNoProjection) GTEST_SKIP() << "has no common factor";
  for (const bool causal : {false, true}) {
    AttentionCase attention_case = CaseOf({1, 1, 1, 60, 60, 9, 5}, 97, causal);
    attention_case.spec.features.epsilon_parity->causal_epsilon = 0;
    const DoubleTensor output = Compute(LibraryAttention(), attention_case)->output;
    for (double& value : attention_case.queries.values) value -= 86;
    for (double& value : attention_case.keys.values) value -= 200;
    EXPECT_LT(RelativeError(Compute(LibraryAttention(), attention_case)->output, output), 1e-4) << causal;
  }
}

TEST_P(Parity, PrefixStabilisersAreThoseOfTheStateFormulaForAnyShapeAndScale) {
  const Kernel kernel = GetParam().spec.features.kernel;
  if (kernel != Kernel::kSoftmax && kernel != Kernel::kSoftmaxRegularized) GTEST_SKIP() << "has no stabiliser";
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    AttentionCase attention_case = RandomCase(seed, /*causal=*/true);
    attention_case.spec.features.epsilon_parity->prefix_stabiliser = true;
    if (seed % 3 == 0) {
      for (double& value : attention_case.keys.values) value *= 10;
    }
    const Verdict verdict =
        AgreesWithOracle(LibraryAttention(), attention_case, seed % 3 == 0 ? 1e-4 : kFloat32Tolerance);
    EXPECT_TRUE(verdict.holds) << "seed " << seed << ", " << attention_case.Describe() << ": " << verdict;
  }
}

// The published maximum over all keys lets a later key change an earlier output; this is what the prefix is for.
TEST_P(Parity, WithPrefixStabilisersNoOutputDependsOnALaterKeyByABit) {
  AttentionCase attention_case = CaseOf({1, 2, 1, 120, 120, 9, 5}, 97, /*causal=*/true);
  attention_case.spec.features.epsilon_parity->prefix_stabiliser = true;
  const auto before = Compute(LibraryAttention(), attention_case);
  ASSERT_TRUE(before.ok()) << before.status();
  const int64_t first_changed = 70;
  for (int64_t t = first_changed; t < 120; ++t) {
    for (int64_t d = 0; d < 9; ++d) attention_case.keys.values[t * 9 + d] *= 40;
  }
  const auto after = Compute(LibraryAttention(), attention_case);
  ASSERT_TRUE(after.ok()) << after.status();
  for (int64_t head = 0; head < 2; ++head) {
    for (int64_t i = 0; i < first_changed * 5; ++i) {
      ASSERT_EQ(before->output.values[head * 120 * 5 + i], after->output.values[head * 120 * 5 + i])
          << "head " << head << ", token " << i / 5;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, Parity, ::testing::ValuesIn(ParityMaps()), MapName);

TEST(ParityOracle, StateFormulaIsTheReferenceForAnyShape) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed);
    AttentionSpec spec = Favor().spec;
    spec.causal = seed % 2 == 0;
    AttentionShape shape = RandomShape(random, spec);
    shape.num_key_heads = shape.num_heads;
    if (shape.key_length == 0 || shape.query_length == 0) continue;  // torch's amax refuses an empty axis
    spec.features.epsilon_parity = EpsilonParity{random.Uniform(), random.Uniform()};
    const AttentionCase c =
        GaussianCase(spec, shape, TestProjection(RandomNumRows(random), shape.head_dim, seed), seed);
    PerformerReference reference;
    reference.causal = spec.causal;
    reference.softmax_epsilon = spec.features.epsilon_parity->feature_epsilon;
    reference.causal_epsilon = spec.features.epsilon_parity->causal_epsilon;
    reference.num_features = c.projection->num_features();
    reference.projection_matrix.assign(c.projection->Matrix(0).begin(), c.projection->Matrix(0).end());
    EXPECT_LE(RelativeError(Compute(OracleAttention(), c)->output, reference.Forward(c.queries, c.keys, c.values)),
              1e-12)
        << "seed " << seed << ", " << c.Describe();
  }
}

}  // namespace
}  // namespace favor::testing
