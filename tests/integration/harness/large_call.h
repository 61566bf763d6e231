#ifndef FAVOR_TESTS_INTEGRATION_HARNESS_LARGE_CALL_H_
#define FAVOR_TESTS_INTEGRATION_HARNESS_LARGE_CALL_H_

#include <cstdint>

#include "tests/integration/harness/favord.h"

namespace favor::testing {

// What a causal call of FAVOR+ with 8 heads, head_dim and value_dim 64 and 256 features took.
struct LargeCall {
  int64_t request_bytes = 0;
  int64_t response_bytes = 0;
  int64_t peak_resident_bytes = 0;  // of the server, since its start
};

// Makes the call through the client library, which needs no copy of the tensors, and looks at the output. Fails the
// test when the call fails.
LargeCall CallWithTokens(Favord& favord, int64_t num_tokens);

// Whether memory means something: a sanitizer keeps its own books in the same process.
bool MemoryIsMeasurable();

}  // namespace favor::testing

#endif  // FAVOR_TESTS_INTEGRATION_HARNESS_LARGE_CALL_H_
