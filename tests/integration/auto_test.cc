// Mode auto over real sockets: what ran, why, and what is refused.
#include <cmath>
#include <functional>
#include <string>

#include "favor/v1/attention.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/harness/attend_wire.h"
#include "tests/integration/harness/await.h"
#include "tests/integration/harness/favord.h"
#include "tests/integration/harness/rpc.h"
#include "tests/support/attention_case.h"
#include "tests/support/errors.h"
#include "tests/support/implementation.h"
#include "tests/support/sanitizer.h"

namespace favor::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

AttentionCase CaseOf(int64_t length, double input_scale) {
  return GaussianCase({}, {1, 2, 2, length, length, 32, 32}, nullptr, 3, input_scale);
}

v1::AttendRequest Request(const AttentionCase& attention_case, double bound) {
  v1::AttendRequest request = ToRequest(attention_case);
  request.mutable_spec()->mutable_auto_()->set_max_relative_error(bound);
  return request;
}

double ErrorOf(const v1::AttendResponse& response, AttentionCase exact) {
  exact.spec.mode = AttentionMode::kExact;
  return FrobeniusError(FromWire(response.output(), v1::LAYOUT_UNSPECIFIED),
                        Compute(LibraryAttention(), exact)->output);
}

TEST(Auto, AnApproximationThatKeepsTheBoundIsVerifiedAndNamed) {
  Favord favord;
  const AttentionCase attention_case = CaseOf(4000, 0.4);
  const AttendAnswer answer = Attend(favord.channel(), Request(attention_case, 0.1));
  ASSERT_TRUE(answer.ok()) << Describe(answer.status);
  const v1::AttendReport& report = answer.response.report();
  ASSERT_TRUE(report.spec().has_features()) << report.reason();
  EXPECT_EQ(report.spec().features().estimator(), v1::ESTIMATOR_ANCHORS);
  EXPECT_GE(report.spec().features().num_anchors(), 1);
  EXPECT_DOUBLE_EQ(report.spec().scale(), 1 / std::sqrt(32.0));
  EXPECT_THAT(report.reason(), HasSubstr("measured error"));
  EXPECT_FALSE(report.error_bound_missed());
  EXPECT_GT(report.predicted_error().num_rows(), 0);
  EXPECT_LE(report.measured_error().relative_error(), 0.1);
  EXPECT_LE(ErrorOf(answer.response, attention_case), 0.1);

  // What the report says can be asked for, and gives the same bits.
  v1::AttendRequest again = Request(attention_case, 0.1);
  *again.mutable_spec() = report.spec();
  const AttendAnswer same = Attend(favord.channel(), again);
  ASSERT_TRUE(same.ok()) << Describe(same.status);
  EXPECT_EQ(same.response.output().data(), answer.response.output().data());
}

TEST(Auto, ExactAttentionWhereNothingLessWouldDo) {
  Favord favord;
  for (const bool causal : {false, true}) {
    AttentionCase attention_case = CaseOf(600, 2);
    attention_case.spec.causal = causal;
    const AttendAnswer answer = Attend(favord.channel(), Request(attention_case, 0.03));
    ASSERT_TRUE(answer.ok()) << Describe(answer.status);
    EXPECT_TRUE(answer.response.report().spec().has_exact());
    EXPECT_EQ(answer.response.report().spec().causal(), causal);
    EXPECT_THAT(answer.response.report().reason(), HasSubstr(causal ? "causal" : "exact attention"));
    EXPECT_FALSE(answer.response.report().has_measured_error());
    v1::AttendRequest exact = ToRequest(attention_case);
    exact.mutable_spec()->mutable_exact();
    EXPECT_EQ(answer.response.output().data(), Attend(favord.channel(), exact).response.output().data());
  }
}

TEST(Auto, ABudgetThatIsTooShortFailsOrWarns) {
  Favord favord;
  const AttentionCase attention_case = CaseOf(8000, 2);  // some tenths of a second, and beyond any number of anchors
  v1::AttendRequest request = Request(attention_case, 0.01);
  // Time for an estimator and not for exact attention, which a sanitizer makes slower alike.
  request.mutable_spec()->mutable_auto_()->mutable_time_budget()->set_nanos(kSanitized ? 400'000'000 : 15'000'000);
  const AttendAnswer failed = Attend(favord.channel(), request);
  EXPECT_EQ(failed.status.error_code(), grpc::StatusCode::FAILED_PRECONDITION) << Describe(failed.status);
  EXPECT_THAT(failed.status.error_message(), HasSubstr("time_budget"));
  request.mutable_spec()->mutable_auto_()->set_when_missed(v1::AutoSpec::WHEN_MISSED_WARN);
  const AttendAnswer warned = Attend(favord.channel(), request);
  ASSERT_TRUE(warned.ok()) << Describe(warned.status);
  EXPECT_TRUE(warned.response.report().error_bound_missed());
  EXPECT_TRUE(warned.response.report().spec().has_features());
  EXPECT_GT(warned.response.report().measured_error().relative_error(), 0.01);
  request.mutable_spec()->mutable_auto_()->mutable_time_budget()->set_nanos(1);
  EXPECT_EQ(Attend(favord.channel(), request).status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
}

TEST(Auto, LeavesStatisticsOutThatNoMessageHasRoomFor) {
  Favord favord({.flags = {"--max-message-size", "2MiB"}});
  // 4 MB of statistics at most; in mode features without auto they are what the call is about.
  AttentionCase attention_case = GaussianCase({}, {1, 32, 32, 8, 8, 128, 8}, nullptr, 3);
  v1::AttendRequest request = Request(attention_case, 0.1);
  const AttendAnswer answer = Attend(favord.channel(), request);
  ASSERT_TRUE(answer.ok()) << Describe(answer.status);
  EXPECT_LE(ErrorOf(answer.response, attention_case), 0.1);
  request.mutable_spec()->mutable_features()->set_precondition(true);
  const AttendAnswer refused = Attend(favord.channel(), request);
  EXPECT_THAT(BadFieldsOf(refused.status), ElementsAre("keys.shape"));
  EXPECT_THAT(refused.status.error_message(), HasSubstr("keys.num_heads is 32, whose statistics take"));
}

TEST(Auto, StreamsStatesAndEncodersRefuseItByName) {
  Favord favord;
  v1::FoldRequest fold;
  const v1::AttendRequest request = Request(CaseOf(8, 1), 0.1);
  *fold.mutable_keys() = request.keys();
  *fold.mutable_values() = request.values();
  *fold.mutable_spec() = request.spec();
  v1::CalibrateRequest calibrate;
  *calibrate.mutable_queries() = request.queries();
  *calibrate.mutable_keys() = request.keys();
  *calibrate.mutable_spec() = request.spec();
  for (const auto& [method, bytes] : {std::pair<std::string, std::string>{"Fold", fold.SerializeAsString()},
                                      {"Calibrate", calibrate.SerializeAsString()}}) {
    const auto answer = CallWithBytes(favord.channel(), "/favor.v1.AttentionService/" + method, bytes);
    EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << method << Describe(answer.status);
    EXPECT_THAT(BadFieldsOf(answer.status), ElementsAre("spec.auto")) << method;
  }
}

TEST(Auto, IsCounted) {
  Favord favord;
  ASSERT_TRUE(Attend(favord.channel(), Request(CaseOf(4000, 0.4), 0.1)).ok());
  ASSERT_TRUE(Attend(favord.channel(), Request(CaseOf(20, 1), 0.1)).ok());
  EXPECT_TRUE(Eventually([&] {
    const Exposition metrics = favord.Metrics();
    return metrics.Sum("favor_auto_calls_total", {{"ran", "anchors"}}) == 1 &&
           metrics.Sum("favor_auto_calls_total", {{"ran", "exact"}}) == 1 && metrics.Sum("favor_auto_error_count") == 1;
  }));
}

TEST(Auto, ACallThatIsCancelledAmidItsStagesEnds) {
  Favord favord;
  // Exact attention of so many tokens takes seconds, and nothing else keeps this bound.
  const v1::AttendRequest request = Request(CaseOf(40000, 1), 1e-5);
  const AttendAnswer answer = Attend(favord.channel(), request, {.deadline = absl::Milliseconds(300)});
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED) << Describe(answer.status);
  EXPECT_TRUE(Eventually([&] { return favord.Metrics().Sum("favor_calls_in_flight") == 0; }));
}

}  // namespace
}  // namespace favor::testing
