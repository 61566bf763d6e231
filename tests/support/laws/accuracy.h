#ifndef FAVOR_TESTS_SUPPORT_LAWS_ACCURACY_H_
#define FAVOR_TESTS_SUPPORT_LAWS_ACCURACY_H_

#include <cstdint>

#include "tests/support/laws/verdict.h"
#include "tests/support/served_maps.h"

namespace favor::testing {

// Every row is what the oracle says, and as many rows are degenerate as there are in it.
Verdict AgreesWithOracle(const AttentionImplementation& implementation, const AttentionCase& attention_case,
                         double tolerance);

// Causal attention over keys that are all quiet (their features are small) but one, which is as loud as can be: every
// row is what the oracle says, whatever the position of the loud key, first_position to last_position. One maximum for
// all keys of a block would lose the rows before it.
struct LoudKey {
  double quiet_scale = 10;  // standard deviation of the quiet keys and of the queries
  int64_t length = 0;
  int64_t first_position = 0;
  int64_t last_position = 0;
};
Verdict LoudKeyLeavesOtherRowsRight(const AttentionImplementation& implementation, const ServedMap& map,
                                    const LoudKey& loud, double tolerance);

}  // namespace favor::testing

#endif  // FAVOR_TESTS_SUPPORT_LAWS_ACCURACY_H_
