#include "absl/strings/str_cat.h"
#include "tests/property/every_map.h"
#include "tests/support/errors.h"
#include "tests/support/implementation.h"

namespace favor::testing {
namespace {

class Threads : public EveryMap {};

TEST_P(Threads, DoNotChangeABitOfTheOutput) {
  for (const bool causal : {false, true}) {
    // Long enough to be cut into several chains, in one head and in many.
    for (const AttentionShape& shape : {AttentionShape{1, 1, 1, 2500, 2500, 8, 5}, {3, 4, 2, 300, 300, 8, 5}}) {
      const AttentionCase attention_case = CaseOf(shape, 127, causal);
      const absl::StatusOr<AttentionResult> alone = Compute(LibraryAttention(), attention_case);
      ASSERT_TRUE(alone.ok()) << alone.status();
      for (const int num_threads : {1, 2, 3, 5}) {
        const absl::StatusOr<AttentionResult> shared = Compute(LibraryAttentionOnPool(num_threads), attention_case);
        ASSERT_TRUE(shared.ok()) << shared.status();
        EXPECT_TRUE(SameBits(shared->output, alone->output)) << attention_case.Describe() << " on " << num_threads;
        EXPECT_EQ(shared->report.degenerate_rows, alone->report.degenerate_rows);
        EXPECT_EQ(shared->report.num_features, alone->report.num_features);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, Threads, ::testing::ValuesIn(ServedMaps()), MapName);

}  // namespace
}  // namespace favor::testing
