// The exact attention of a trained model on a real input.
#include <string>

#include "gtest/gtest.h"
#include "tests/support/attention_case.h"
#include "tests/support/errors.h"
#include "tests/support/implementation.h"
#include "tests/support/safetensors_file.h"

namespace favor::testing {
namespace {

class ExactSoftmaxGolden : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const SafetensorsFile file = ReadSafetensors(FAVOR_TEST_DATA_DIR "/" + GetParam() + ".safetensors").value();
    case_.spec.mode = AttentionMode::kExact;
    case_.queries = file.Rank4("queries");
    case_.keys = file.Rank4("keys");
    case_.values = file.Rank4("values");
    expected_ = file.Rank4("exact_softmax_output");
  }

  AttentionCase case_;
  DoubleTensor expected_;
};

TEST_P(ExactSoftmaxGolden, IsReproducedByTheLibrary) {
  const absl::StatusOr<AttentionResult> result = Compute(LibraryAttention(), case_);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_LE(RelativeError(result->output, expected_), 1e-5);  // float32 against float64
}

TEST_P(ExactSoftmaxGolden, IsReproducedByTheOracle) {
  EXPECT_LE(RelativeError(Compute(OracleAttention(), case_)->output, expected_), 1e-12);
}

INSTANTIATE_TEST_SUITE_P(, ExactSoftmaxGolden, ::testing::Values("qkv_rxnmapper_layer0", "qkv_rxnmapper_layer11"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace favor::testing
