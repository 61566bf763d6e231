// Many more random shapes than a quick run can afford.
#include "tests/property/every_map.h"
#include "tests/support/laws/accuracy.h"
#include "tests/support/laws/causality.h"

namespace favor::testing {
namespace {

class Sweep : public EveryMap {};

TEST_P(Sweep, AgreesWithTheOracleForAnyShape) {
  // The kernels' GELU is good to 2e-7 |t|, not to 2e-7 of itself: where all features of a query come from its negative
  // tail (6e-5 of itself at t = -5), so is the output.
  const FeatureSpec& features = GetParam().spec.features;
  const bool gelu = features.kernel == Kernel::kGeneralized && features.nonlinearity == Nonlinearity::kGelu;
  const double tolerance = gelu ? 1e-4 : kFloat32Tolerance;
  for (uint64_t seed = 1000; seed < 1120; ++seed) {
    const AttentionCase attention_case = RandomCase(seed, /*causal=*/seed % 2 == 0);
    const Verdict verdict = AgreesWithOracle(LibraryAttention(), attention_case, tolerance);
    EXPECT_TRUE(verdict.holds) << "seed " << seed << ", " << attention_case.Describe() << ": " << verdict;
  }
}

TEST_P(Sweep, LaterRowsNeverChangeEarlierOutputsAtAnyPosition) {
  for (const double input_scale : {1.0, 10.0, 30.0}) {
    AttentionCase attention_case = CaseOf({1, 1, 1, 200, 200, 9, 5}, 149, /*causal=*/true);
    for (double& value : attention_case.queries.values) value *= input_scale;
    for (double& value : attention_case.keys.values) value *= input_scale;
    for (int64_t position = 0; position < 200; ++position) {
      const Verdict verdict = LaterRowsNeverChangeEarlierOutputs(LibraryAttention(), attention_case, position);
      EXPECT_TRUE(verdict.holds) << "input scale " << input_scale << ": " << verdict;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, Sweep, ::testing::ValuesIn(ServedMaps()), MapName);

}  // namespace
}  // namespace favor::testing
