// Published results, reproduced through the wire: performer-pytorch in parity mode, and the exact attention of a
// trained model on a real input.
#include <string>

#include "gtest/gtest.h"
#include "tests/integration/harness/attend_wire.h"
#include "tests/integration/harness/favord.h"
#include "tests/integration/harness/rpc.h"
#include "tests/support/errors.h"
#include "tests/support/safetensors_file.h"

namespace favor::testing {
namespace {

constexpr double kTolerance = 1e-5;  // float32 against float64, max|a - b| / max|b|

AttentionCase CaseOf(const SafetensorsFile& file) {
  AttentionCase attention_case;
  attention_case.queries = file.Rank4("queries");
  attention_case.keys = file.Rank4("keys");
  attention_case.values = file.Rank4("values");
  return attention_case;
}

SafetensorsFile Read(const std::string& name) {
  return ReadSafetensors(FAVOR_TEST_DATA_DIR "/" + name + ".safetensors").value();
}

struct Golden {
  std::string name;
  v1::Kernel kernel;
  bool causal;
};

TEST(GoldenOverTheWire, PerformerResultsAreReproducedByTheDefaultEpsilons) {
  Favord favord;
  const Golden goldens[] = {{"attention_softmax_bidirectional", v1::KERNEL_SOFTMAX, false},
                            {"attention_softmax_cross", v1::KERNEL_SOFTMAX, false},
                            {"attention_softmax_causal", v1::KERNEL_SOFTMAX, true},
                            {"attention_relu_bidirectional", v1::KERNEL_GENERALIZED, false},
                            {"attention_no_projection", v1::KERNEL_NO_PROJECTION, false}};
  for (const Golden& golden : goldens) {
    SCOPED_TRACE(golden.name);
    const SafetensorsFile file = Read(golden.name);
    v1::AttendRequest request = ToRequest(CaseOf(file));
    request.clear_spec();
    request.mutable_spec()->set_causal(golden.causal);
    v1::FeatureSpec* features = request.mutable_spec()->mutable_features();
    features->set_kernel(golden.kernel);
    features->mutable_epsilon_parity();
    if (file.tensors.count("projection_matrix") > 0) {
      const SafetensorsFile::Tensor& matrix = file.tensors.at("projection_matrix");
      v1::Tensor* wire = features->mutable_projection()->mutable_matrix();
      wire->set_data_type(v1::DATA_TYPE_F32);
      for (const int64_t size : matrix.shape) wire->add_shape(size);
      for (const double value : matrix.values) {
        const auto element = static_cast<float>(value);
        wire->mutable_data()->append(reinterpret_cast<const char*>(&element), sizeof(element));
      }
    }
    const AttendAnswer answer = Attend(favord.channel(), request);
    ASSERT_TRUE(answer.ok()) << Describe(answer.status);
    const DoubleTensor output = FromWire(answer.response.output(), v1::LAYOUT_UNSPECIFIED);
    EXPECT_LE(RelativeError(output, file.Rank4("output")), kTolerance);
    EXPECT_EQ(answer.response.report().degenerate_rows(), 0);

    // The epsilons are what parity is about: without them the kernels that have one differ.
    if (golden.kernel == v1::KERNEL_NO_PROJECTION) continue;
    features->clear_epsilon_parity();
    const AttendAnswer without = Attend(favord.channel(), request);
    ASSERT_TRUE(without.ok()) << Describe(without.status);
    EXPECT_GT(RelativeError(FromWire(without.response.output(), v1::LAYOUT_UNSPECIFIED), output), 0);
  }
}

TEST(GoldenOverTheWire, ExactAttentionOfATrainedModelIsReproduced) {
  Favord favord;
  for (const std::string name : {"qkv_rxnmapper_layer0", "qkv_rxnmapper_layer11"}) {
    SCOPED_TRACE(name);
    const SafetensorsFile file = Read(name);
    AttentionCase attention_case = CaseOf(file);
    attention_case.spec.mode = AttentionMode::kExact;
    const auto result = Compute(AttentionOver(favord.channel(), {}), attention_case);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_LE(RelativeError(result->output, file.Rank4("exact_softmax_output")), kTolerance);
  }
}

}  // namespace
}  // namespace favor::testing
