#include "server/convert/attend_response_conversion.h"

#include <cstring>
#include <string>

#include "absl/time/time.h"
#include "favor/base/version.h"
#include "gtest/gtest.h"

namespace favor {
namespace {

AttendResult ResultOf(AxisOrder order, int64_t length) {
  AttendResult result;
  result.axis_order = order;
  result.output.shape = {1, 2, length, 3};
  result.output.data = *AlignedBuffer<std::byte>::Allocate(length * 2 * 3 * 4);
  for (int64_t i = 0; i < result.output.data.size(); ++i) result.output.data[i] = static_cast<std::byte>(i);
  result.report.num_features = 8;
  result.report.degenerate_rows = 2;
  result.timing = {absl::Microseconds(1500), absl::Seconds(2) + absl::Nanoseconds(7)};
  return result;
}

v1::AttendResponse Parse(const AttendResult& result) {
  v1::AttentionSpec spec;
  spec.set_scale(0.25);
  std::string wire = ResponseHeader(result, ToReport(result, spec));
  wire.append(reinterpret_cast<const char*>(result.output.data.data()), result.output.data.size());
  v1::AttendResponse response;
  EXPECT_TRUE(response.ParseFromString(wire));
  return response;
}

TEST(ResponseHeader, WithTheDataBehindItIsAnAttendResponse) {
  const AttendResult result = ResultOf(AxisOrder::kBatchHeadsLengthDim, 50);
  const v1::AttendResponse response = Parse(result);
  EXPECT_EQ(response.output().data_type(), v1::DATA_TYPE_F32);
  EXPECT_EQ(std::vector<int64_t>(response.output().shape().begin(), response.output().shape().end()),
            (std::vector<int64_t>{1, 2, 50, 3}));
  ASSERT_EQ(static_cast<int64_t>(response.output().data().size()), result.output.data.size());
  EXPECT_EQ(std::memcmp(response.output().data().data(), result.output.data.data(), result.output.data.size()), 0);
  EXPECT_EQ(response.report().degenerate_rows(), 2);
  EXPECT_EQ(response.report().queue_time().nanos(), 1500000);
  EXPECT_EQ(response.report().compute_time().seconds(), 2);
  EXPECT_EQ(response.report().compute_time().nanos(), 7);
  EXPECT_EQ(response.report().server_version(), kVersion);
  EXPECT_EQ(response.report().spec().scale(), 0.25);
}

TEST(ResponseHeader, WritesTheShapeInTheRequestsLayout) {
  const v1::AttendResponse response = Parse(ResultOf(AxisOrder::kBatchLengthHeadsDim, 50));
  EXPECT_EQ(response.output().shape(1), 50);
  EXPECT_EQ(response.output().shape(2), 2);
}

TEST(ResponseHeader, AnEmptyOutputKeepsItsShape) {
  const v1::AttendResponse response = Parse(ResultOf(AxisOrder::kBatchHeadsLengthDim, 0));
  EXPECT_EQ(response.output().shape(2), 0);
  EXPECT_TRUE(response.output().data().empty());
}

}  // namespace
}  // namespace favor
