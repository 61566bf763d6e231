#ifndef FAVOR_TESTS_SUPPORT_IMPLEMENTATION_H_
#define FAVOR_TESTS_SUPPORT_IMPLEMENTATION_H_

#include <cstdint>
#include <functional>

#include "absl/status/statusor.h"
#include "favor/attention/attention.h"
#include "tests/support/attention_case.h"
#include "tests/support/tensor.h"

namespace favor::testing {

struct AttentionResult {
  DoubleTensor output;  // [batch, heads, query_length, value_dim]
  AttentionReport report;
};

// Something that claims to compute attention: the library, the oracle, or a double with a planted fault. Laws are
// checked against any of them.
using AttentionImplementation =
    std::function<absl::StatusOr<AttentionResult>(const AttentionSpec&, const AttentionInputs&)>;

// favor::Attend, float32 output in the default layout, on the calling thread.
AttentionImplementation LibraryAttention();
// The same on a pool of num_threads threads.
AttentionImplementation LibraryAttentionOnPool(int num_threads);
// The double-precision oracle.
AttentionImplementation OracleAttention();

// Hands the case to the implementation as dense float32 tensors in the default layout.
absl::StatusOr<AttentionResult> Compute(const AttentionImplementation& implementation,
                                        const AttentionCase& attention_case);

}  // namespace favor::testing

#endif  // FAVOR_TESTS_SUPPORT_IMPLEMENTATION_H_
