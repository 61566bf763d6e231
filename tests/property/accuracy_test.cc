// How far float32 is from float64, row by row, at the sizes models have.
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/property/every_map.h"
#include "tests/support/errors.h"
#include "tests/support/implementation.h"

namespace favor::testing {
namespace {

struct Promise {
  double input_scale;
  double worst_row;  // ALGORITHMS.md, section 6
};

class Float32Accuracy : public ::testing::TestWithParam<std::tuple<bool, Promise>> {};

TEST_P(Float32Accuracy, IsWhatIsPromisedForFavor) {
  const auto [causal, promise] = GetParam();
  AttentionSpec spec = Favor().spec;
  spec.causal = causal;
  const AttentionCase attention_case =
      GaussianCase(spec, {1, 1, 1, 400, 400, 64, 64}, TestProjection(256, 64, 97), 101, promise.input_scale);
  const absl::StatusOr<AttentionResult> actual = Compute(LibraryAttention(), attention_case);
  ASSERT_TRUE(actual.ok()) << actual.status();
  const double worst_row = WorstRowError(actual->output, Compute(OracleAttention(), attention_case)->output);
  RecordProperty("worst_row", absl::StrCat(worst_row));
  EXPECT_LE(worst_row, promise.worst_row);
}

INSTANTIATE_TEST_SUITE_P(, Float32Accuracy,
                         ::testing::Combine(::testing::Bool(),
                                            ::testing::Values(Promise{1, 5e-6}, Promise{3, 1e-5}, Promise{10, 5e-5})),
                         [](const auto& info) {
                           return absl::StrCat(std::get<0>(info.param) ? "Causal" : "Bidirectional", "AtInputScale",
                                               std::get<1>(info.param).input_scale);
                         });

// The keys' sums are long: their rounding must not add up.
TEST(Float32AccuracyOfLongSums, DoesNotDriftOver200000Keys) {
  // Values of mean 1 make a drift of S and Z visible apart; elu+1 has few features, so the oracle's part is cheap.
  constexpr int64_t kLength = 200000;
  AttentionSpec spec;
  spec.features.kernel = Kernel::kEluPlusOne;
  AttentionCase attention_case = GaussianCase(spec, {1, 1, 1, 4, kLength, 8, 3}, nullptr, 103);
  for (double& value : attention_case.values.values) value = static_cast<float>(value + 1);
  const absl::StatusOr<AttentionResult> actual = Compute(LibraryAttention(), attention_case);
  ASSERT_TRUE(actual.ok()) << actual.status();
  EXPECT_LE(WorstRowError(actual->output, Compute(OracleAttention(), attention_case)->output), 1e-6);
}

}  // namespace
}  // namespace favor::testing
