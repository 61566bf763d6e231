#ifndef FAVOR_TESTS_SUPPORT_LAWS_PARTITION_H_
#define FAVOR_TESTS_SUPPORT_LAWS_PARTITION_H_

#include <cstdint>

#include "tests/support/laws/verdict.h"

namespace favor::testing {

// Each sequence of a batch gives what it gives alone.
Verdict BatchEqualsItsSequences(const AttentionImplementation& implementation, const AttentionCase& attention_case,
                                double tolerance);

// Each query head gives what it gives alone with its key head: query head h reads key head h / (heads / key heads).
Verdict HeadsEqualEachHeadAlone(const AttentionImplementation& implementation, const AttentionCase& attention_case,
                                double tolerance);

// Any split of the queries into chunks gives the same outputs. Bidirectional cases without lengths.
Verdict QueryChunksEqualTheWhole(const AttentionImplementation& implementation, const AttentionCase& attention_case,
                                 int64_t chunk_length, double tolerance);

// Keys cut at `position`: the output over all keys is p out_1 + (1 - p) out_2, p the share of attention that the first
// part gets, read off by values that are 1 there and 0 behind. Bidirectional cases without lengths or parity, of maps
// that weigh keys apart.
Verdict SegmentsOfKeysMixToTheWhole(const AttentionImplementation& implementation, const AttentionCase& attention_case,
                                    int64_t position, double tolerance);

}  // namespace favor::testing

#endif  // FAVOR_TESTS_SUPPORT_LAWS_PARTITION_H_
