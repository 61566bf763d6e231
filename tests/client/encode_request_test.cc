#include "client/wire/encode_request.h"

#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include "favor/v1/attention.pb.h"

namespace favor::client {
namespace {

using google::protobuf::util::MessageDifferencer;

std::vector<float> Ramp(size_t size) {
  std::vector<float> values(size);
  std::iota(values.begin(), values.end(), 1.0f);
  return values;
}

std::string BytesOf(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

// The request as a server reads it from the wire.
v1::AttendRequest Parse(const AttendInputs& inputs, const AttendOptions& options) {
  const MessageBuilder builder = EncodeAttendRequest(inputs, options);
  BorrowedMemory memory;
  const grpc::ByteBuffer buffer = builder.Build(&memory);
  EXPECT_EQ(buffer.Length(), builder.size_bytes());
  grpc::Slice slice;
  EXPECT_TRUE(buffer.DumpToSingleSlice(&slice).ok());
  v1::AttendRequest request;
  EXPECT_TRUE(request.ParseFromArray(slice.begin(), static_cast<int>(slice.size())));
  return request;
}

// A call whose queries are too large to be copied, whose keys are not, and whose values are empty.
class EncodeRequest : public ::testing::Test {
 protected:
  EncodeRequest() : queries_(Ramp(2 * 64 * 16)), keys_(Ramp(16)) {
    inputs_ = {Float32View(queries_, {1, 2, 64, 16}), Float32View(keys_, {1, 1, 1, 16}), Float32View({}, {1, 1, 0, 3})};
    inputs_.keys.type = DataType::kFloat16;
    inputs_.keys.shape = {1, 1, 2, 16};
    Expect(expected_.mutable_queries(), v1::DATA_TYPE_F32, {1, 2, 64, 16}, BytesOf(queries_));
    Expect(expected_.mutable_keys(), v1::DATA_TYPE_F16, {1, 1, 2, 16}, BytesOf(keys_));
    Expect(expected_.mutable_values(), v1::DATA_TYPE_F32, {1, 1, 0, 3}, "");
  }

  static void Expect(v1::Tensor* tensor, v1::DataType type, const std::vector<int64_t>& shape,
                     const std::string& data) {
    tensor->set_data_type(type);
    tensor->mutable_shape()->Add(shape.begin(), shape.end());
    tensor->set_data(data);
  }

  void ExpectSame() {
    std::string difference;
    MessageDifferencer differencer;
    differencer.ReportDifferencesToString(&difference);
    EXPECT_TRUE(differencer.Compare(expected_, Parse(inputs_, options_))) << difference;
  }

  std::vector<float> queries_, keys_;
  AttendInputs inputs_;
  AttendOptions options_;
  v1::AttendRequest expected_;
};

TEST_F(EncodeRequest, DefaultsAreAnEmptyFeatureSpec) {
  expected_.mutable_spec()->mutable_features();
  ExpectSame();
}

TEST_F(EncodeRequest, ExactModeIsSent) {
  options_.spec.mode = ExactSpec();
  expected_.mutable_spec()->mutable_exact();
  ExpectSame();
}

TEST_F(EncodeRequest, AutoModeIsSent) {
  options_.spec.mode = AutoSpec{0.25, absl::Milliseconds(1500), WhenMissed::kWarn};
  v1::AutoSpec* expected = expected_.mutable_spec()->mutable_auto_();
  expected->set_max_relative_error(0.25);
  expected->mutable_time_budget()->set_seconds(1);
  expected->mutable_time_budget()->set_nanos(500'000'000);
  expected->set_when_missed(v1::AutoSpec::WHEN_MISSED_WARN);
  ExpectSame();
}

TEST_F(EncodeRequest, EveryOptionOfTheCallIsSent) {
  options_.spec.causal = true;
  options_.spec.scale = 0.125;
  options_.spec.layout = Layout::kBatchLengthHeadsDim;
  options_.spec.precision = Precision::kBFloat16;
  options_.query_lengths = {3};
  options_.key_lengths = {2, 1};
  options_.query_offsets = {0, 5, 300};
  options_.key_offsets = {0, 7};
  options_.output_type = DataType::kBFloat16;
  options_.measure_error_rows = 32;
  v1::AttentionSpec* spec = expected_.mutable_spec();
  spec->mutable_features();
  spec->set_causal(true);
  spec->set_scale(0.125);
  spec->set_layout(v1::LAYOUT_BATCH_LENGTH_HEADS_DIM);
  spec->set_precision(v1::PRECISION_BF16);
  expected_.add_query_lengths(3);
  for (const int length : {2, 1}) expected_.add_key_lengths(length);
  for (const int offset : {0, 5, 300}) expected_.add_query_offsets(offset);
  for (const int offset : {0, 7}) expected_.add_key_offsets(offset);
  expected_.set_output_type(v1::DATA_TYPE_BF16);
  expected_.set_measure_error_rows(32);
  ExpectSame();
}

TEST_F(EncodeRequest, EveryFieldOfTheFeatureSpecIsSent) {
  const std::vector<float> matrix = Ramp(128 * 16);
  FeatureSpec features;
  features.kernel = Kernel::kPolynomial2;
  features.estimator = Estimator::kSderf;
  features.num_features = 128;
  features.projection = {ProjectionKind::kSupplied, RowNorms::kSqrtDim, 17, Float32View(matrix, {128, 16})};
  features.nonlinearity = Nonlinearity::kGelu;
  features.polynomial_offset = 0.0;
  features.epsilon_parity = EpsilonParity{1e-3, 0.0};
  features.statistics = Statistics{{{{1, 2}, {3, 4, 5, 6}, {7}, {8, 9}, {10}}, {}}};
  features.antithetic = true;
  features.precondition = true;
  features.num_exact_keys = 9;
  features.num_anchors = 8;
  features.num_fit_rows = 7;
  features.num_directions = 6;
  options_.spec.mode = features;

  v1::FeatureSpec* expected = expected_.mutable_spec()->mutable_features();
  expected->set_kernel(v1::KERNEL_POLYNOMIAL2);
  expected->set_estimator(v1::ESTIMATOR_SDERF);
  expected->set_num_features(128);
  expected->mutable_projection()->set_kind(v1::PROJECTION_KIND_SUPPLIED);
  expected->mutable_projection()->set_row_norms(v1::ROW_NORMS_SQRT_DIM);
  expected->mutable_projection()->set_seed(17);
  Expect(expected->mutable_projection()->mutable_matrix(), v1::DATA_TYPE_F32, {128, 16}, BytesOf(matrix));
  expected->set_nonlinearity(v1::NONLINEARITY_GELU);
  expected->set_polynomial_offset(0);
  expected->mutable_epsilon_parity()->set_feature_epsilon(1e-3);
  expected->mutable_epsilon_parity()->set_causal_epsilon(0);
  v1::Statistics::Head* head = expected->mutable_statistics()->add_heads();
  for (const double value : {1, 2}) head->add_key_shift(value);
  for (const double value : {3, 4, 5, 6}) head->add_query_transform(value);
  head->add_proposal(7);
  for (const double value : {8, 9}) head->add_anchors(value);
  head->add_directions(10);
  expected->mutable_statistics()->add_heads();
  expected->set_antithetic(true);
  expected->set_precondition(true);
  expected->set_num_exact_keys(9);
  expected->set_num_anchors(8);
  expected->set_num_fit_rows(7);
  expected->set_num_directions(6);
  ExpectSame();
}

TEST_F(EncodeRequest, LargeTensorsAreNotCopied) {
  BorrowedMemory memory;
  const grpc::ByteBuffer buffer = EncodeAttendRequest(inputs_, options_).Build(&memory);
  std::vector<grpc::Slice> slices;
  ASSERT_TRUE(buffer.Dump(&slices).ok());
  const auto* bytes = reinterpret_cast<const uint8_t*>(queries_.data());
  EXPECT_TRUE(std::any_of(slices.begin(), slices.end(), [bytes](const auto& it) { return it.begin() == bytes; }));
}

TEST(BorrowedMemory, ComesBackWithTheLastSlice) {
  const std::vector<float> values = Ramp(4096);
  BorrowedMemory memory;
  EXPECT_TRUE(memory.AwaitReturn(absl::ZeroDuration()));
  {
    const grpc::Slice slice = memory.Lend(Float32View(values, {4096}).bytes);
    const grpc::Slice copy = slice;
    EXPECT_FALSE(memory.AwaitReturn(absl::ZeroDuration()));
  }
  EXPECT_TRUE(memory.AwaitReturn(absl::ZeroDuration()));
}

}  // namespace
}  // namespace favor::client
