// Quiet keys and one loud key, at every position of a block: what one maximum per block loses.
#include "tests/property/every_map.h"
#include "tests/support/laws/accuracy.h"

namespace favor::testing {
namespace {

// Maps whose features are exponentials: those of all others are within the reach of float32.
std::vector<ServedMap> ExponentialMaps() {
  std::vector<ServedMap> maps = PositiveMaps();
  std::erase_if(maps, [](const ServedMap& map) {
    const Kernel kernel = map.spec.features.kernel;
    return map.spec.mode == AttentionMode::kExact || kernel == Kernel::kEluPlusOne ||
           (kernel == Kernel::kGeneralized &&
            (map.spec.features.nonlinearity != Nonlinearity::kExp || !map.takes_projection));
  });
  return maps;
}

class LoudKeyLaw : public EveryMap {};

// Exponents of size |x|^2/2 carry float32's relative error 6e-8 into the features: |x|^2/2 is 200 to 400 at scale 10
// and nine times that at scale 30. Losing a row would be an error of 1.
TEST_P(LoudKeyLaw, LeavesOtherRowsRightAtInputScale10) {
  const Verdict verdict = LoudKeyLeavesOtherRowsRight(LibraryAttention(), Map(/*causal=*/true),
                                                      {.quiet_scale = 10, .length = 99, .last_position = 98}, 1e-4);
  EXPECT_TRUE(verdict.holds) << verdict;
}

TEST_P(LoudKeyLaw, LeavesOtherRowsRightAtInputScale30) {
  const Verdict verdict = LoudKeyLeavesOtherRowsRight(LibraryAttention(), Map(/*causal=*/true),
                                                      {.quiet_scale = 30, .length = 99, .last_position = 98}, 1e-3);
  EXPECT_TRUE(verdict.holds) << verdict;
}

TEST_P(LoudKeyLaw, LeavesTheOutputRightWithoutAMask) {
  const Verdict verdict =
      LoudKeyLeavesOtherRowsRight(LibraryAttention(), Map(/*causal=*/false),
                                  {.quiet_scale = 10, .length = 100, .first_position = 40, .last_position = 60}, 1e-4);
  EXPECT_TRUE(verdict.holds) << verdict;
}

INSTANTIATE_TEST_SUITE_P(, LoudKeyLaw, ::testing::ValuesIn(ExponentialMaps()), MapName);

}  // namespace
}  // namespace favor::testing
