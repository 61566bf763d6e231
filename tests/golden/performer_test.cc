// Results of performer-pytorch 1.1.4, reproduced by the library in parity mode and by the double oracle.
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/attention_case.h"
#include "tests/support/errors.h"
#include "tests/support/implementation.h"
#include "tests/support/oracle/performer_reference.h"
#include "tests/support/safetensors_file.h"

namespace favor::testing {
namespace {

// float32 against results of float64: the reference itself, run in float32, is off by 8e-7.
constexpr double kLibraryTolerance = 1e-5;
// double against double, sums in another order.
constexpr double kOracleTolerance = 1e-12;

struct Golden {
  AttentionCase attention_case;
  PerformerReference reference;
  DoubleTensor output;
};

// "1e-4 (softmax kernel), 1e-3 (generalized kernel)": the number in front of the kernel's name.
double FeatureEpsilon(const std::string& text, const std::string& kernel) {
  for (const std::string& part : std::vector<std::string>(absl::StrSplit(text, ", "))) {
    if (part.find(kernel) != std::string::npos) return std::strtod(part.c_str(), nullptr);
  }
  ADD_FAILURE() << "no epsilon for " << kernel << " in: " << text;
  return 0;
}

Golden Load(const std::string& name) {
  const SafetensorsFile file = ReadSafetensors(FAVOR_TEST_DATA_DIR "/" + name + ".safetensors").value();
  const auto kwargs = nlohmann::json::parse(file.metadata.at("kwargs"));
  Golden golden;
  golden.output = file.Rank4("output");
  PerformerReference& reference = golden.reference;
  reference.causal = kwargs.value("causal", false);
  reference.generalized_attention = kwargs.value("generalized_attention", false);
  reference.no_projection = kwargs.value("no_projection", false);
  reference.softmax_epsilon = FeatureEpsilon(file.metadata.at("feature_eps"), "softmax");
  reference.generalized_epsilon = FeatureEpsilon(file.metadata.at("feature_eps"), "generalized");
  reference.causal_epsilon = std::strtod(file.metadata.at("causal_eps").c_str(), nullptr);

  AttentionCase& attention_case = golden.attention_case;
  attention_case.queries = file.Rank4("queries");
  attention_case.keys = file.Rank4("keys");
  attention_case.values = file.Rank4("values");
  if (!reference.no_projection) {
    const SafetensorsFile::Tensor& matrix = file.tensors.at("projection_matrix");
    reference.projection_matrix = matrix.values;
    reference.num_features = matrix.shape.at(0);
    const std::vector<float> rows(matrix.values.begin(), matrix.values.end());
    attention_case.projection = SuppliedProjection(rows, 1, matrix.shape.at(0), matrix.shape.at(1)).value();
  }
  attention_case.spec.causal = reference.causal;
  FeatureSpec& features = attention_case.spec.features;
  EpsilonParity parity;
  parity.causal_epsilon = reference.causal_epsilon;
  parity.feature_epsilon = reference.softmax_epsilon;
  if (reference.generalized_attention) {
    features.kernel = Kernel::kGeneralized;
    parity.feature_epsilon = reference.generalized_epsilon;
  } else if (reference.no_projection) {
    features.kernel = Kernel::kNoProjection;
    parity.feature_epsilon = 0;
  }
  features.epsilon_parity = parity;
  return golden;
}

class PerformerGolden : public ::testing::TestWithParam<std::string> {};

TEST_P(PerformerGolden, IsReproducedByTheLibraryInParityMode) {
  const Golden golden = Load(GetParam());
  const absl::StatusOr<AttentionResult> result = Compute(LibraryAttention(), golden.attention_case);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_LE(RelativeError(result->output, golden.output), kLibraryTolerance);
  EXPECT_EQ(result->report.degenerate_rows, 0);
}

TEST_P(PerformerGolden, IsReproducedByTheOraclesStateFormula) {
  const Golden golden = Load(GetParam());
  EXPECT_LE(RelativeError(Compute(OracleAttention(), golden.attention_case)->output, golden.output), kOracleTolerance);
}

TEST_P(PerformerGolden, IsReproducedByTheTranscriptionOfTheReference) {
  const Golden golden = Load(GetParam());
  const AttentionCase& c = golden.attention_case;
  EXPECT_LE(RelativeError(golden.reference.Forward(c.queries, c.keys, c.values), golden.output), kOracleTolerance);
}

INSTANTIATE_TEST_SUITE_P(, PerformerGolden,
                         ::testing::Values("attention_softmax_bidirectional", "attention_softmax_cross",
                                           "attention_softmax_causal", "attention_relu_bidirectional",
                                           "attention_no_projection"),
                         [](const auto& info) { return info.param; });

// The epsilons are what parity is about: without them the answers differ by far more than the tolerance, so the tests
// above cannot pass by ignoring the mode.
TEST(PerformerGoldenEpsilon, IsSeenInTheResults) {
  for (const std::string name :
       {"attention_softmax_bidirectional", "attention_softmax_causal", "attention_relu_bidirectional"}) {
    SCOPED_TRACE(name);
    Golden golden = Load(name);
    golden.attention_case.spec.features.epsilon_parity.reset();
    const absl::StatusOr<AttentionResult> result = Compute(LibraryAttention(), golden.attention_case);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_GT(RelativeError(result->output, golden.output), 10 * kLibraryTolerance);
  }
}

// The file cannot be seen to use it, so the causal epsilon is raised until its place in the formula matters.
TEST(PerformerGoldenEpsilon, OfTheCausalSumIsWhereTheReferenceHasIt) {
  Golden golden = Load("attention_softmax_causal");
  golden.reference.causal_epsilon = 0.05;
  golden.attention_case.spec.features.epsilon_parity->causal_epsilon = 0.05;
  const AttentionCase& c = golden.attention_case;
  const DoubleTensor expected = golden.reference.Forward(c.queries, c.keys, c.values);
  ASSERT_GT(RelativeError(expected, golden.output), 0.01);
  EXPECT_LE(RelativeError(Compute(OracleAttention(), c)->output, expected), kOracleTolerance);
  const absl::StatusOr<AttentionResult> result = Compute(LibraryAttention(), c);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_LE(RelativeError(result->output, expected), kLibraryTolerance);
}

// No golden of the reference has causal generalised or causal no_projection attention: its transcription, checked
// above against five goldens, stands in.
TEST(PerformerReferenceCausal, ReluAndNoProjectionAreReproduced) {
  for (const std::string name : {"attention_relu_bidirectional", "attention_no_projection"}) {
    SCOPED_TRACE(name);
    Golden golden = Load(name);
    golden.reference.causal = true;
    golden.attention_case.spec.causal = true;
    const AttentionCase& c = golden.attention_case;
    const DoubleTensor expected = golden.reference.Forward(c.queries, c.keys, c.values);
    EXPECT_LE(RelativeError(Compute(OracleAttention(), c)->output, expected), kOracleTolerance);
    const absl::StatusOr<AttentionResult> result = Compute(LibraryAttention(), c);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_LE(RelativeError(result->output, expected), kLibraryTolerance);
  }
}

}  // namespace
}  // namespace favor::testing
