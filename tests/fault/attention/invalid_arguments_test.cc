// Every argument that does not fit is refused by name, with its value and the bound.
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "favor/attention/attention.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/attention_case.h"
#include "tests/support/implementation.h"
#include "tests/support/served_maps.h"

namespace favor::testing {
namespace {

using ::testing::HasSubstr;

// A call that is valid until a test spoils it.
struct Call {
  AttentionSpec spec;
  AttentionInputs inputs;
  MutableTensorView output;
  std::vector<int64_t> lengths;  // storage for inputs.*_lengths
};

struct Fault {
  std::string name;
  std::function<void(Call&)> spoil;
  std::vector<std::string> message;  // what it must name
};

class InvalidArgument : public ::testing::TestWithParam<Fault> {
 protected:
  InvalidArgument() : buffer_(1 << 16, 0.5f) {
    call_.inputs.queries = DenseView(std::as_const(buffer_).data(), {2, 4, 6, 8});
    call_.inputs.keys = DenseView(std::as_const(buffer_).data(), {2, 2, 6, 8});
    call_.inputs.values = DenseView(std::as_const(buffer_).data(), {2, 2, 6, 3});
    call_.inputs.projection = TestProjection(16, 8, 1);
    call_.output = DenseView(output_.data(), {2, 4, 6, 3});
  }

  std::vector<float> buffer_;
  std::vector<float> output_ = std::vector<float>(1 << 16, -7.0f);
  Call call_;
};

TEST_P(InvalidArgument, IsRefusedByNameAndLeavesTheOutputAlone) {
  ASSERT_TRUE(PlanAttention(call_.spec, call_.inputs, call_.output, nullptr, nullptr).ok());
  GetParam().spoil(call_);
  const absl::Status status = PlanAttention(call_.spec, call_.inputs, call_.output, nullptr, nullptr).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  for (const std::string& part : GetParam().message) EXPECT_THAT(std::string(status.message()), HasSubstr(part));
  EXPECT_EQ(Attend(call_.spec, call_.inputs, call_.output), status);
  EXPECT_THAT(output_, ::testing::Each(-7.0f));
}

std::vector<Fault> ShapeFaults() {
  return {
      {"BatchOfKeys", [](Call& c) { c.inputs.keys.shape.batch_size = 1; }, {"keys.batch_size is 1", "2"}},
      {"BatchOfValues", [](Call& c) { c.inputs.values.shape.batch_size = 3; }, {"values.batch_size is 3", "2"}},
      {"BatchOfZero",
       [](Call& c) {
         c.inputs.queries.shape.batch_size = c.inputs.keys.shape.batch_size = c.inputs.values.shape.batch_size =
             c.output.shape.batch_size = 0;
       },
       {"queries.batch_size is 0", "1"}},
      {"NegativeBatch", [](Call& c) { c.inputs.queries.shape.batch_size = -1; }, {"queries.batch_size is -1"}},
      {"NoHeads", [](Call& c) { c.inputs.queries.shape.num_heads = 0; }, {"queries.num_heads is 0", "1"}},
      {"NoKeyHeads", [](Call& c) { c.inputs.keys.shape.num_heads = 0; }, {"keys.num_heads is 0", "1"}},
      {"HeadsThatDoNotDivide",
       [](Call& c) { c.inputs.keys.shape.num_heads = c.inputs.values.shape.num_heads = 3; },
       {"keys.num_heads is 3", "queries.num_heads", "4"}},
      {"MoreKeyHeadsThanHeads",
       [](Call& c) { c.inputs.keys.shape.num_heads = c.inputs.values.shape.num_heads = 8; },
       {"keys.num_heads is 8", "4"}},
      {"HeadsOfValues", [](Call& c) { c.inputs.values.shape.num_heads = 4; }, {"values.num_heads is 4", "2"}},
      {"NegativeLength", [](Call& c) { c.inputs.queries.shape.length = -6; }, {"queries.length is -6", "0"}},
      {"LengthOfValues", [](Call& c) { c.inputs.values.shape.length = 5; }, {"values.length is 5", "keys.length is 6"}},
      {"HeadDimOfKeys", [](Call& c) { c.inputs.keys.shape.dim = 7; }, {"keys.head_dim is 7", "queries.head_dim is 8"}},
      {"HeadDimOfZero", [](Call& c) { c.inputs.queries.shape.dim = 0; }, {"queries.head_dim is 0", "1"}},
      {"HeadDimTooLarge", [](Call& c) { c.inputs.queries.shape.dim = 513; }, {"queries.head_dim is 513", "512"}},
      {"ValueDimOfZero", [](Call& c) { c.inputs.values.shape.dim = 0; }, {"values.value_dim is 0", "1"}},
      {"ValueDimTooLarge", [](Call& c) { c.inputs.values.shape.dim = 513; }, {"values.value_dim is 513", "512"}},
      {"Overflow",
       [](Call& c) {
         c.inputs.queries.shape.batch_size = c.inputs.keys.shape.batch_size = c.inputs.values.shape.batch_size =
             c.output.shape.batch_size = int64_t{1} << 32;
         c.inputs.queries.shape.length = c.output.shape.length = int64_t{1} << 32;
       },
       {"queries"}},
      {"OutputBatch", [](Call& c) { c.output.shape.batch_size = 1; }, {"output.batch_size is 1", "2"}},
      {"OutputHeads", [](Call& c) { c.output.shape.num_heads = 2; }, {"output.num_heads is 2", "4"}},
      {"OutputLength", [](Call& c) { c.output.shape.length = 7; }, {"output.length is 7", "6"}},
      {"OutputDim", [](Call& c) { c.output.shape.dim = 8; }, {"output.value_dim is 8", "3"}},
  };
}

std::vector<Fault> LengthFaults() {
  const auto queries = [](std::vector<int64_t> lengths) {
    return [lengths](Call& c) { c.inputs.query_lengths = c.lengths = lengths; };
  };
  const auto keys = [](std::vector<int64_t> lengths) {
    return [lengths](Call& c) { c.inputs.key_lengths = c.lengths = lengths; };
  };
  return {
      {"QueryLengthsOfWrongCount", queries({6}), {"query_lengths has 1", "2"}},
      {"KeyLengthsOfWrongCount", keys({6, 6, 6}), {"key_lengths has 3", "2"}},
      {"QueryLengthNegative", queries({6, -1}), {"query_lengths[1] is -1", "0"}},
      {"QueryLengthTooLarge", queries({7, 6}), {"query_lengths[0] is 7", "6"}},
      {"KeyLengthNegative", keys({-5, 6}), {"key_lengths[0] is -5", "0"}},
      {"KeyLengthTooLarge",
       keys({6, std::numeric_limits<int64_t>::max()}),
       {"key_lengths[1] is 9223372036854775807", "6"}},
      {"CausalLengthsThatDiffer",
       [](Call& c) {
         c.spec.causal = true;
         c.inputs.keys.shape.length = c.inputs.values.shape.length = 5;
       },
       {"causal", "queries.length is 6", "keys.length is 5"}},
  };
}

std::vector<Fault> ParameterFaults() {
  const auto scale = [](double value) { return [value](Call& c) { c.spec.scale = value; }; };
  const auto unprojected = [](Kernel kernel) {
    return [kernel](Call& c) {
      c.spec.features.kernel = kernel;
      c.inputs.projection = nullptr;
    };
  };
  const auto epsilons = [](double feature, double causal) {
    return [=](Call& c) { c.spec.features.epsilon_parity = EpsilonParity{feature, causal}; };
  };
  const double nan = std::nan("");
  const double infinity = std::numeric_limits<double>::infinity();
  return {
      {"ScaleOfZero", scale(0), {"scale is 0"}},
      {"ScaleNegative", scale(-0.5), {"scale is -0.5"}},
      {"ScaleNan", scale(nan), {"scale is nan"}},
      {"ScaleInfinite", scale(infinity), {"scale is inf"}},
      {"ProjectionMissing", [](Call& c) { c.inputs.projection = nullptr; }, {"projection is missing"}},
      {"ProjectionOfWrongDim",
       [](Call& c) { c.inputs.projection = TestProjection(16, 7, 1); },
       {"projection.head_dim is 7", "8"}},
      {"ProjectionOfWrongHeads",
       [](Call& c) { c.inputs.projection = TestProjection(16, 8, 1, false, 4); },
       {"projection.num_matrices is 4", "2"}},
      {"ProjectionInExactMode", [](Call& c) { c.spec.mode = AttentionMode::kExact; }, {"projection", "exact"}},
      {"ProjectionForEluPlusOne", [](Call& c) { c.spec.features.kernel = Kernel::kEluPlusOne; }, {"projection"}},
      {"TooManyFeatures",
       [](Call& c) {
         // Taylor 2 of head_dim 512 has 1 + 512 + 512 * 513 / 2 features.
         c.spec.features.kernel = Kernel::kTaylor2;
         c.inputs.projection = nullptr;
         c.inputs.queries = DenseView(static_cast<const float*>(nullptr), {2, 4, 0, 512});
         c.inputs.keys = DenseView(static_cast<const float*>(nullptr), {2, 2, 0, 512});
         c.inputs.values = DenseView(static_cast<const float*>(nullptr), {2, 2, 0, 3});
         c.output.shape.length = 0;
       },
       {"num_features is 131841", "65536"}},
      {"TooManyFeaturesByHyperbolic",
       [](Call& c) {
         c.spec.features.estimator = Estimator::kHyperbolic;
         c.inputs.projection = TestProjection(40000, 8, 1);
       },
       {"num_features is 80000", "65536"}},
      {"PolynomialOffsetNegative",
       [unprojected](Call& c) {
         unprojected(Kernel::kPolynomial2)(c);
         c.spec.features.polynomial_offset = -1;
       },
       {"polynomial_offset is -1"}},
      {"PolynomialOffsetNan",
       [unprojected, nan](Call& c) {
         unprojected(Kernel::kPolynomial2)(c);
         c.spec.features.polynomial_offset = nan;
       },
       {"polynomial_offset is nan"}},
      {"FeatureEpsilonNegative", epsilons(-1e-4, 1e-6), {"feature_epsilon is -0.0001"}},
      {"FeatureEpsilonInfinite", epsilons(infinity, 1e-6), {"feature_epsilon is inf"}},
      {"CausalEpsilonNegative", epsilons(1e-4, -1e-6), {"causal_epsilon is -1e-06"}},
      {"CausalEpsilonNan", epsilons(1e-4, nan), {"causal_epsilon is nan"}},
      {"ParityOfATrigonometricMap",
       [](Call& c) {
         c.spec.features.estimator = Estimator::kTrigonometric;
         c.spec.features.epsilon_parity = EpsilonParity{};
       },
       {"epsilon_parity"}},
      {"ParityOfEluPlusOne",
       [unprojected](Call& c) {
         unprojected(Kernel::kEluPlusOne)(c);
         c.spec.features.epsilon_parity = EpsilonParity{};
       },
       {"epsilon_parity"}},
  };
}

const auto kName = [](const ::testing::TestParamInfo<Fault>& info) { return info.param.name; };
INSTANTIATE_TEST_SUITE_P(Shapes, InvalidArgument, ::testing::ValuesIn(ShapeFaults()), kName);
INSTANTIATE_TEST_SUITE_P(Lengths, InvalidArgument, ::testing::ValuesIn(LengthFaults()), kName);
INSTANTIATE_TEST_SUITE_P(Parameters, InvalidArgument, ::testing::ValuesIn(ParameterFaults()), kName);

}  // namespace
}  // namespace favor::testing
