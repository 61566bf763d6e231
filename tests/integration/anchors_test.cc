// Anchors over real sockets: the best estimator, its report, and its statistics given back.
#include "favor/v1/attention.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/harness/attend_wire.h"
#include "tests/integration/harness/favord.h"
#include "tests/integration/harness/rpc.h"
#include "tests/support/attention_case.h"
#include "tests/support/errors.h"
#include "tests/support/implementation.h"

namespace favor::testing {
namespace {

using ::testing::HasSubstr;

class AnchorsOnTheWire : public ::testing::Test {
 protected:
  AnchorsOnTheWire() : case_(GaussianCase({}, {2, 4, 2, 300, 260, 16, 8}, nullptr, 3, 0.5)) {}

  v1::AttendRequest Request(v1::Estimator estimator) const {
    v1::AttendRequest request = ToRequest(case_);
    request.mutable_spec()->mutable_features()->set_estimator(estimator);
    return request;
  }

  double ErrorOf(const v1::AttendResponse& response) const {
    AttentionCase exact = case_;
    exact.spec.mode = AttentionMode::kExact;
    return FrobeniusError(FromWire(response.output(), v1::LAYOUT_UNSPECIFIED),
                          Compute(LibraryAttention(), exact)->output);
  }

  AttentionCase case_;
  Favord favord_;
};

TEST_F(AnchorsOnTheWire, TheBestEstimatorIsNamedAndBetter) {
  const AttendAnswer best = Attend(favord_.channel(), Request(v1::ESTIMATOR_BEST));
  ASSERT_TRUE(best.ok()) << Describe(best.status);
  const v1::AttendReport& report = best.response.report();
  EXPECT_EQ(report.spec().features().estimator(), v1::ESTIMATOR_ANCHORS);
  EXPECT_GT(report.spec().features().num_anchors(), 1);
  EXPECT_EQ(report.spec().features().num_directions(), 8);
  EXPECT_EQ(report.spec().features().num_fit_rows(), 32);
  EXPECT_TRUE(report.projection_id().empty());
  EXPECT_EQ(report.statistics().heads(1).anchors_size(), 16 * report.spec().features().num_anchors());
  EXPECT_EQ(report.statistics().heads(1).directions_size(), 16 * 8);
  const AttendAnswer favor_plus = Attend(favord_.channel(), Request(v1::ESTIMATOR_POSITIVE));
  ASSERT_TRUE(favor_plus.ok());
  EXPECT_LT(ErrorOf(best.response), 0.2 * ErrorOf(favor_plus.response));
}

TEST_F(AnchorsOnTheWire, StatisticsGivenBackMakeTheSameBits) {
  v1::AttendRequest request = Request(v1::ESTIMATOR_ANCHORS);
  request.mutable_spec()->mutable_features()->set_num_anchors(5);
  const AttendAnswer measured = Attend(favord_.channel(), request);
  ASSERT_TRUE(measured.ok()) << Describe(measured.status);
  v1::CalibrateRequest calibrate;
  *calibrate.mutable_queries() = request.queries();
  *calibrate.mutable_keys() = request.keys();
  *calibrate.mutable_spec() = request.spec();
  const auto answer =
      CallWithBytes(favord_.channel(), "/favor.v1.AttentionService/Calibrate", calibrate.SerializeAsString());
  v1::CalibrateResponse calibrated;
  ASSERT_TRUE(answer.status.ok() && calibrated.ParseFromString(answer.response)) << Describe(answer.status);
  EXPECT_EQ(calibrated.statistics().SerializeAsString(), measured.response.report().statistics().SerializeAsString());
  *request.mutable_spec()->mutable_features()->mutable_statistics() = calibrated.statistics();
  const AttendAnswer given = Attend(favord_.channel(), request);
  ASSERT_TRUE(given.ok()) << Describe(given.status);
  EXPECT_EQ(given.response.output().data(), measured.response.output().data());
  EXPECT_FALSE(given.response.report().has_statistics());
}

TEST_F(AnchorsOnTheWire, TheErrorIsMeasuredOnRequest) {
  v1::AttendRequest request = Request(v1::ESTIMATOR_BEST);
  request.set_measure_error_rows(64);
  const AttendAnswer answer = Attend(favord_.channel(), request);
  ASSERT_TRUE(answer.ok()) << Describe(answer.status);
  const v1::ErrorEstimate& measured = answer.response.report().measured_error();
  const double error = ErrorOf(answer.response);
  EXPECT_GT(measured.upper(), 0.7 * error);
  EXPECT_LT(measured.lower(), 1.4 * error);
  EXPECT_LT(measured.relative_error(), measured.mean_of_values_error());
}

TEST_F(AnchorsOnTheWire, BrokenStatisticsAreRefusedByName) {
  v1::AttendRequest request = Request(v1::ESTIMATOR_ANCHORS);
  request.mutable_spec()->mutable_features()->set_num_anchors(2);
  v1::Statistics* statistics = request.mutable_spec()->mutable_features()->mutable_statistics();
  for (int h = 0; h < 2; ++h) {
    v1::Statistics::Head* head = statistics->add_heads();
    for (int i = 0; i < 16; ++i) head->add_key_shift(0);
    for (int i = 0; i < 256; ++i) head->add_query_transform(i % 17 == 0);
    for (int i = 0; i < 32; ++i) head->add_anchors(h == 0 || i != 31 ? 0.5 : 1e20);
  }
  const AttendAnswer answer = Attend(favord_.channel(), request);
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(answer.status.error_message(), HasSubstr("statistics.heads[1].anchors[31] is 1e+20"));
}

}  // namespace
}  // namespace favor::testing
