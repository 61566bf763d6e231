#ifndef FAVOR_TESTS_SUPPORT_LAWS_SYMMETRY_H_
#define FAVOR_TESTS_SUPPORT_LAWS_SYMMETRY_H_

#include <cstdint>

#include "tests/support/laws/verdict.h"

namespace favor::testing {

// Keys permuted together with their values: the same output up to rounding. Bidirectional cases without lengths.
Verdict PermutingKeysWithValuesChangesNothing(const AttentionImplementation& implementation,
                                              const AttentionCase& attention_case, double tolerance);

// Queries permuted: outputs permuted the same way. Bidirectional cases without lengths.
Verdict PermutingQueriesPermutesOutputs(const AttentionImplementation& implementation,
                                        const AttentionCase& attention_case, double tolerance);

// When all values of a sequence are the same vector, so is every output. Positive maps without parity.
Verdict ConstantValueComesBack(const AttentionImplementation& implementation, const AttentionCase& attention_case,
                               double tolerance);

// Attention is linear in the values: out(a V + b U) = a out(V) + b out(U).
Verdict OutputIsLinearInTheValues(const AttentionImplementation& implementation, const AttentionCase& attention_case,
                                  double tolerance);

}  // namespace favor::testing

#endif  // FAVOR_TESTS_SUPPORT_LAWS_SYMMETRY_H_
