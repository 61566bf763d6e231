#ifndef FAVOR_TESTS_SUPPORT_LAWS_MASKING_H_
#define FAVOR_TESTS_SUPPORT_LAWS_MASKING_H_

#include "tests/support/laws/verdict.h"

namespace favor::testing {

// A case with lengths gives, whatever its padding holds (0, 1e9, NaN), the same bits; each sequence gives what it
// gives alone, cut to its lengths; and outputs past query_lengths are zero. The case must have lengths;
// where it is causal, query_lengths and key_lengths must be the same.
Verdict PaddingNeverShows(const AttentionImplementation& implementation, const AttentionCase& attention_case,
                          double tolerance);

}  // namespace favor::testing

#endif  // FAVOR_TESTS_SUPPORT_LAWS_MASKING_H_
