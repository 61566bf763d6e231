#include "client/wire/decode_response.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <variant>
#include <vector>

#include "favor/v1/attention.pb.h"

namespace favor::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Cuts the bytes into slices of `slice_size`, as they may come from a socket.
grpc::ByteBuffer Sliced(const std::string& bytes, size_t slice_size) {
  std::vector<grpc::Slice> slices;
  for (size_t at = 0; at < bytes.size(); at += slice_size) slices.emplace_back(bytes.substr(at, slice_size));
  return {slices.data(), slices.size()};
}

absl::StatusOr<AttendResult> Decode(const std::string& bytes, size_t slice_size = 1 << 20) {
  grpc::ByteBuffer buffer = Sliced(bytes, slice_size);
  return DecodeAttendResponse(&buffer);
}

v1::AttendResponse SmallResponse() {
  v1::AttendResponse response;
  response.mutable_output()->set_data_type(v1::DATA_TYPE_F32);
  for (const int length : {1, 1, 2, 1}) response.mutable_output()->add_shape(length);
  const float values[] = {1.5f, -2.0f};
  response.mutable_output()->set_data(values, sizeof(values));
  return response;
}

TEST(DecodeResponse, OutputComesBackHoweverTheBytesAreSliced) {
  const std::string bytes = SmallResponse().SerializeAsString();
  for (const size_t slice_size : {1, 2, 3, 5, 1000}) {
    const absl::StatusOr<AttendResult> result = Decode(bytes, slice_size);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_THAT(result->output.shape(), ElementsAre(1, 1, 2, 1));
    EXPECT_THAT(result->output.ToFloat32(), ElementsAre(1.5f, -2.0f));
  }
}

TEST(DecodeResponse, HalfFloatsBecomeFloats) {
  v1::AttendResponse response = SmallResponse();
  const uint16_t float16[] = {0x3e00, 0xc000};
  response.mutable_output()->set_data_type(v1::DATA_TYPE_F16);
  response.mutable_output()->set_data(float16, sizeof(float16));
  EXPECT_THAT(Decode(response.SerializeAsString())->output.ToFloat32(), ElementsAre(1.5f, -2.0f));
  const uint16_t bfloat16[] = {0x3fc0, 0xc000};
  response.mutable_output()->set_data_type(v1::DATA_TYPE_BF16);
  response.mutable_output()->set_data(bfloat16, sizeof(bfloat16));
  EXPECT_THAT(Decode(response.SerializeAsString())->output.ToFloat32(), ElementsAre(1.5f, -2.0f));
}

TEST(DecodeResponse, TheReportComesBack) {
  v1::AttendResponse response = SmallResponse();
  v1::AttendReport* wire = response.mutable_report();
  wire->set_projection_id("abc");
  wire->set_num_features(256);
  wire->set_degenerate_rows(3);
  wire->mutable_queue_time()->set_nanos(1500);
  wire->mutable_compute_time()->set_seconds(2);
  wire->set_server_version("1.2.3");
  wire->set_cpu_target("AVX3");
  wire->mutable_spec()->set_causal(true);
  wire->mutable_spec()->set_scale(0.5);
  wire->mutable_spec()->mutable_features()->set_kernel(v1::KERNEL_GENERALIZED);
  wire->mutable_spec()->mutable_features()->mutable_projection()->set_seed(0);
  wire->mutable_measured_error()->set_relative_error(0.25);
  wire->set_reason("for a reason");
  wire->mutable_statistics()->add_heads()->add_key_shift(2.5);
  const absl::StatusOr<AttendResult> result = Decode(response.SerializeAsString());
  ASSERT_TRUE(result.ok()) << result.status();
  const AttendReport& report = result->report;
  EXPECT_EQ(report.projection_id, "abc");
  EXPECT_EQ(report.num_features, 256);
  EXPECT_EQ(report.degenerate_rows, 3);
  EXPECT_EQ(report.queue_time, absl::Nanoseconds(1500));
  EXPECT_EQ(report.compute_time, absl::Seconds(2));
  EXPECT_EQ(report.server_version, "1.2.3");
  EXPECT_EQ(report.cpu_target, "AVX3");
  EXPECT_TRUE(report.spec.causal);
  EXPECT_EQ(report.spec.scale, 0.5);
  const auto& features = std::get<FeatureSpec>(report.spec.mode);
  EXPECT_EQ(features.kernel, Kernel::kGeneralized);
  EXPECT_EQ(features.projection.seed, 0);
  EXPECT_FALSE(features.num_features.has_value());
  EXPECT_EQ(report.measured_error->relative_error, 0.25);
  EXPECT_FALSE(report.predicted_error.has_value());
  EXPECT_EQ(report.reason, "for a reason");
  EXPECT_THAT(report.statistics->heads.at(0).key_shift, ElementsAre(2.5));
}

TEST(DecodeResponse, FieldsOfALaterProtoAreSkipped) {
  std::string bytes = SmallResponse().SerializeAsString();
  bytes += std::string("\xa2\x06\x03xyz", 6);  // field 100, three bytes
  EXPECT_TRUE(Decode(bytes).ok());
}

TEST(DecodeResponse, EveryTruncationIsAnError) {
  const std::string bytes = SmallResponse().SerializeAsString();
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(Decode(bytes.substr(0, size)).status().code(), absl::StatusCode::kInternal) << size;
  }
}

TEST(DecodeResponse, DataThatDoesNotFitTheShapeIsAnError) {
  v1::AttendResponse response = SmallResponse();
  response.mutable_output()->set_shape(2, 3);
  EXPECT_THAT(std::string(Decode(response.SerializeAsString()).status().message()),
              HasSubstr("output.data has 8 bytes, output.shape asks for 12"));
  // 2^62 * 16 bytes are 0 modulo 2^64.
  response.mutable_output()->set_shape(2, int64_t{1} << 62);
  response.mutable_output()->set_shape(3, 4);
  response.mutable_output()->clear_data();
  EXPECT_FALSE(Decode(response.SerializeAsString()).ok());
}

}  // namespace
}  // namespace favor::client
