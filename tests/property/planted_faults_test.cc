// The laws can fail: each is kept by the oracle and broken by a double with the fault it is there to catch. The same
// functions judge the library in the other files of this folder.
#include <cmath>

#include "gtest/gtest.h"
#include "tests/support/faulty/attention.h"
#include "tests/support/faulty/raw_qr.h"
#include "tests/support/laws/accuracy.h"
#include "tests/support/laws/causality.h"
#include "tests/support/laws/masking.h"
#include "tests/support/laws/partition.h"
#include "tests/support/laws/projection.h"
#include "tests/support/laws/symmetry.h"
#include "tests/support/served_maps.h"

namespace favor::testing {
namespace {

// Loose enough for float32, so that what catches the faults here is what would catch them in the library.
constexpr double kTolerance = 1e-4;

AttentionCase Case(bool causal, const AttentionShape& shape) {
  AttentionSpec spec = Favor().spec;
  spec.causal = causal;
  return GaussianCase(spec, shape, TestProjection(24, shape.head_dim, 139), 139);
}

AttentionCase CausalCase() { return Case(/*causal=*/true, {1, 1, 1, 70, 70, 8, 5}); }
AttentionCase BidirectionalCase() { return Case(/*causal=*/false, {1, 1, 1, 20, 60, 8, 5}); }

AttentionCase PaddedCase() {
  AttentionCase padded = Case(/*causal=*/false, {2, 1, 1, 20, 60, 8, 5});
  padded.key_lengths = {60, 41};
  return padded;
}

// Expects the law to tell the honest subject from the faulty one.
template <typename Law, typename Subject, typename... Arguments>
void ExpectCaught(Law law, const Subject& honest, const Subject& faulty, const Arguments&... arguments) {
  const Verdict on_honest = law(honest, arguments...);
  EXPECT_TRUE(on_honest.holds) << on_honest;
  EXPECT_FALSE(law(faulty, arguments...).holds) << "the fault went unseen";
}

TEST(FutureLeak, OfOneKeyIsCaughtByBothCausalLaws) {
  ExpectCaught(LaterRowsNeverChangeEarlierOutputs, OracleAttention(), AttentionThatSeesOneKeyAhead(), CausalCase(), 40);
  ExpectCaught(CausalOutputsAreBidirectionalOnThePrefix, OracleAttention(), AttentionThatSeesOneKeyAhead(),
               CausalCase(), 7, kTolerance);
}

TEST(FutureLeak, ThroughTheReferencesStabiliserIsCaught) {
  ExpectCaught(LaterRowsNeverChangeEarlierOutputs, OracleAttention(), AttentionOfTheReference(), CausalCase(), 40);
}

TEST(ValueOnlyMasking, IsCaughtByWhatStandsInThePadding) {
  ExpectCaught(PaddingNeverShows, OracleAttention(), AttentionThatMasksOnlyValues(), PaddedCase(), kTolerance);
}

// With harmless padding too: masked keys still count in the denominator.
TEST(ValueOnlyMasking, IsCaughtByComparisonWithTheOracle) {
  ExpectCaught(AgreesWithOracle, OracleAttention(), AttentionThatMasksOnlyValues(), PaddedCase(), kTolerance);
}

TEST(RawQr, IsCaughtByTheKernelAlongTheDiagonal) {
  constexpr int64_t kHeadDim = 16;
  const auto judge = [](const ProjectionSource& source) {
    ProjectionSpec spec;
    spec.num_features = kHeadDim;
    const std::vector<double> half = DiagonalPoint(kHeadDim, 0.5);
    return EstimatesAreUnbiased(KernelEstimates(source, spec, Favor().spec.features, half, half, 4000),
                                std::exp(1.5 * 1.5 / 4));
  };
  const Verdict on_honest = judge(QrDraws(/*correct_signs=*/true));
  EXPECT_TRUE(on_honest.holds) << on_honest;
  EXPECT_FALSE(judge(QrDraws(/*correct_signs=*/false)).holds);
}

TEST(RawQr, BiasIsTheOneKnown) {
  ProjectionSpec spec;
  spec.num_features = 16;
  const std::vector<double> half = DiagonalPoint(16, 0.5);
  const Moments moments =
      MomentsOf(KernelEstimates(QrDraws(/*correct_signs=*/false), spec, Favor().spec.features, half, half, 4000));
  // ALGORITHMS.md, section 5: E[estimate] / true = .785 at d = 16.
  EXPECT_NEAR(moments.mean / std::exp(1.5 * 1.5 / 4), 0.785, 4 * moments.standard_error());
}

TEST(RawQr, IsCaughtByTheMeanOfTheDiagonal) {
  ExpectCaught(DiagonalAveragesToZero, QrDraws(/*correct_signs=*/true), QrDraws(/*correct_signs=*/false), 16, 2000);
}

TEST(OneMaximumPerBlock, IsCaughtByALoudKeyInTheBlock) {
  ServedMap map = Favor();
  map.spec.causal = true;
  for (const double quiet_scale : {10.0, 30.0}) {
    const LoudKey loud = {.quiet_scale = quiet_scale, .length = 70, .first_position = 1, .last_position = 63};
    ExpectCaught(LoudKeyLeavesOtherRowsRight, OracleAttention(), AttentionWithOneMaximumPerBlock(), map, loud, 5e-3);
  }
}

// ... at every position of the block but the first, not at some.
TEST(OneMaximumPerBlock, IsCaughtByALoudKeyAtAnyPosition) {
  ServedMap map = Favor();
  map.spec.causal = true;
  for (int64_t position = 1; position < 64; ++position) {
    const LoudKey loud = {.quiet_scale = 10, .length = 64, .first_position = position, .last_position = position};
    EXPECT_FALSE(LoudKeyLeavesOtherRowsRight(AttentionWithOneMaximumPerBlock(), map, loud, 5e-3).holds) << position;
  }
}

// At ordinary inputs the double is right: nothing but the loud key catches it.
TEST(OneMaximumPerBlock, IsNotCaughtByQuietInputs) {
  const Verdict verdict = AgreesWithOracle(AttentionWithOneMaximumPerBlock(), CausalCase(), kTolerance);
  EXPECT_TRUE(verdict.holds) << verdict;
}

TEST(InterleavedGroupedHeads, AreCaughtByEachHeadAlone) {
  ExpectCaught(HeadsEqualEachHeadAlone, OracleAttention(), AttentionThatInterleavesGroupedHeads(),
               Case(/*causal=*/false, {1, 4, 2, 20, 30, 8, 5}), kTolerance);
}

TEST(PositionInTheKeys, IsCaughtByPermutingKeysWithValues) {
  ExpectCaught(PermutingKeysWithValuesChangesNothing, OracleAttention(), AttentionThatWeighsKeysByPosition(),
               BidirectionalCase(), kTolerance);
}

TEST(PositionInTheKeys, IsCaughtByCuttingTheKeysInTwo) {
  ExpectCaught(SegmentsOfKeysMixToTheWhole, OracleAttention(), AttentionThatWeighsKeysByPosition(), BidirectionalCase(),
               30, kTolerance);
}

TEST(BiasedDenominator, IsCaughtByAConstantValue) {
  ExpectCaught(ConstantValueComesBack, OracleAttention(), AttentionWithABiasedDenominator(), BidirectionalCase(),
               kTolerance);
}

}  // namespace
}  // namespace favor::testing
