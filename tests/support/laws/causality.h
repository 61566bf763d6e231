#ifndef FAVOR_TESTS_SUPPORT_LAWS_CAUSALITY_H_
#define FAVOR_TESTS_SUPPORT_LAWS_CAUSALITY_H_

#include <cstdint>

#include "tests/support/laws/verdict.h"

namespace favor::testing {

// Whatever stands in keys, values and queries from `position` on, outputs before it keep their bits. The later rows
// are replaced by others, quieter, equally loud and much louder. The case must be causal.
Verdict LaterRowsNeverChangeEarlierOutputs(const AttentionImplementation& implementation,
                                           const AttentionCase& attention_case, int64_t position);

// The last causal output of a prefix is what that query gets from the prefix without a mask, for prefixes of length
// `step`, 2 `step`, ... The case must be causal.
Verdict CausalOutputsAreBidirectionalOnThePrefix(const AttentionImplementation& implementation,
                                                 const AttentionCase& attention_case, int64_t step, double tolerance);

}  // namespace favor::testing

#endif  // FAVOR_TESTS_SUPPORT_LAWS_CAUSALITY_H_
