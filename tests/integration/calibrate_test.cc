// Calibrate, and what becomes of statistics: reported, given back, carried by states.
#include <string>

#include "favor/v1/attention.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/harness/attend_wire.h"
#include "tests/integration/harness/favord.h"
#include "tests/integration/harness/rpc.h"
#include "tests/support/attention_case.h"

namespace favor::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Calibrate : public ::testing::Test {
 protected:
  // FAVOR#, preconditioned, whose statistics are yet to be measured.
  static v1::AttendRequest Request(bool causal = false) {
    v1::AttendRequest request = ToRequest(GaussianCase({}, {2, 4, 2, 60, 60, 16, 8}, nullptr, 3));
    request.mutable_spec()->set_causal(causal);
    v1::FeatureSpec* features = request.mutable_spec()->mutable_features();
    features->set_estimator(v1::ESTIMATOR_SDERF);
    features->set_precondition(true);
    features->set_num_features(48);
    return request;
  }

  template <typename Response>
  Answer<Response> Call(const std::string& method, const google::protobuf::MessageLite& request) {
    const auto answer =
        CallWithBytes(favord_.channel(), "/favor.v1.AttentionService/" + method, request.SerializeAsString());
    Answer<Response> parsed{answer.status, {}};
    EXPECT_TRUE(parsed.response.ParseFromString(answer.response));
    return parsed;
  }

  Answer<v1::CalibrateResponse> CalibrateOn(const v1::AttendRequest& request) {
    v1::CalibrateRequest calibrate;
    *calibrate.mutable_queries() = request.queries();
    *calibrate.mutable_keys() = request.keys();
    *calibrate.mutable_spec() = request.spec();
    return Call<v1::CalibrateResponse>("Calibrate", calibrate);
  }

  Favord favord_;
};

TEST_F(Calibrate, AnswersWhatABidirectionalCallMeasuresAndReports) {
  const v1::AttendRequest request = Request();
  const AttendAnswer measured = Attend(favord_.channel(), request);
  ASSERT_TRUE(measured.ok()) << Describe(measured.status);
  const v1::AttendReport& report = measured.response.report();
  EXPECT_EQ(report.spec().features().estimator(), v1::ESTIMATOR_SDERF);
  EXPECT_TRUE(report.spec().features().precondition());
  EXPECT_EQ(report.statistics().heads_size(), 2);

  const auto calibrated = CalibrateOn(request);
  ASSERT_TRUE(calibrated.ok()) << Describe(calibrated.status);
  EXPECT_EQ(calibrated.response.statistics().SerializeAsString(), report.statistics().SerializeAsString());

  v1::AttendRequest given = request;
  *given.mutable_spec()->mutable_features()->mutable_statistics() = calibrated.response.statistics();
  const AttendAnswer again = Attend(favord_.channel(), given);
  ASSERT_TRUE(again.ok()) << Describe(again.status);
  EXPECT_EQ(again.response.output().data(), measured.response.output().data());
  EXPECT_EQ(again.response.report().projection_id(), report.projection_id());
  EXPECT_FALSE(again.response.report().has_statistics()) << "the caller has them";
}

TEST_F(Calibrate, IsWhatACausalCallGoesBy) {
  const AttendAnswer without = Attend(favord_.channel(), Request(/*causal=*/true));
  ASSERT_TRUE(without.ok()) << Describe(without.status);
  EXPECT_EQ(without.response.report().spec().features().estimator(), v1::ESTIMATOR_POSITIVE);
  EXPECT_FALSE(without.response.report().spec().features().precondition());
  EXPECT_FALSE(without.response.report().has_statistics());

  v1::AttendRequest given = Request(/*causal=*/true);
  *given.mutable_spec()->mutable_features()->mutable_statistics() = CalibrateOn(Request()).response.statistics();
  const AttendAnswer with = Attend(favord_.channel(), given);
  ASSERT_TRUE(with.ok()) << Describe(with.status);
  EXPECT_EQ(with.response.report().spec().features().estimator(), v1::ESTIMATOR_SDERF);
  EXPECT_NE(with.response.report().projection_id(), without.response.report().projection_id());
  EXPECT_NE(with.response.output().data(), without.response.output().data());
}

TEST_F(Calibrate, OfAnotherSampleMakesStatesThatDoNotMerge) {
  const auto fold = [this](const v1::AttendRequest& request) {
    v1::FoldRequest fold;
    *fold.mutable_keys() = request.keys();
    *fold.mutable_values() = request.values();
    *fold.mutable_spec() = request.spec();
    return Call<v1::FoldResponse>("Fold", fold);
  };
  v1::AttendRequest one = Request();
  *one.mutable_spec()->mutable_features()->mutable_statistics() = CalibrateOn(one).response.statistics();
  v1::AttendRequest other = one;
  other.mutable_spec()->mutable_features()->mutable_statistics()->mutable_heads(1)->set_proposal(0, -0.01);
  v1::MergeRequest merge;
  for (const v1::AttendRequest& request : {one, one}) {
    const auto folded = fold(request);
    ASSERT_TRUE(folded.ok()) << Describe(folded.status);
    *merge.add_states() = folded.response.state();
  }
  EXPECT_EQ(merge.states(0).spec().features().statistics().SerializeAsString(),
            one.spec().features().statistics().SerializeAsString());
  const auto merged = Call<v1::MergeResponse>("Merge", merge);
  ASSERT_TRUE(merged.ok()) << Describe(merged.status);
  // A state needs nothing beside itself to be read.
  v1::ReadRequest read;
  *read.mutable_state() = merged.response.state();
  *read.mutable_queries() = one.queries();
  const auto answer = Call<v1::ReadResponse>("Read", read);
  ASSERT_TRUE(answer.ok()) << Describe(answer.status);
  EXPECT_EQ(answer.response.report().projection_id(), merge.states(0).projection_id());

  *merge.mutable_states(1) = fold(other).response.state();
  const auto refused = Call<v1::MergeResponse>("Merge", merge);
  EXPECT_EQ(refused.status.error_code(), grpc::StatusCode::FAILED_PRECONDITION) << Describe(refused.status);
}

TEST_F(Calibrate, OfManyHeadsIsNoTooLargeMessage) {
  // 40 heads of 64: 1.4 MB of statistics, which no bound on what stands beside tensors may stop.
  v1::AttendRequest request = ToRequest(GaussianCase({}, {1, 40, 40, 5, 5, 64, 2}, nullptr, 3));
  request.mutable_spec()->mutable_features()->set_precondition(true);
  const auto calibrated = CalibrateOn(request);
  ASSERT_TRUE(calibrated.ok()) << Describe(calibrated.status);
  EXPECT_GT(calibrated.response.ByteSizeLong(), size_t{1} << 20);
  *request.mutable_spec()->mutable_features()->mutable_statistics() = calibrated.response.statistics();
  const AttendAnswer answer = Attend(favord_.channel(), request);
  EXPECT_TRUE(answer.ok()) << Describe(answer.status);
}

TEST_F(Calibrate, RefusesByField) {
  v1::AttendRequest plain = Request();
  plain.mutable_spec()->clear_features();
  auto answer = CalibrateOn(plain);
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(BadFieldsOf(answer.status), ElementsAre("spec.features.estimator"));

  v1::AttendRequest heads = Request();
  *heads.mutable_keys() = ToWire(DoubleTensor({2, 3, 60, 16}), DataType::kFloat32, v1::LAYOUT_UNSPECIFIED);
  answer = CalibrateOn(heads);
  EXPECT_THAT(answer.status.error_message(), HasSubstr("keys.num_heads is 3, must divide queries.num_heads"));

  v1::AttendRequest dims = Request();
  *dims.mutable_keys() = ToWire(DoubleTensor({2, 2, 60, 8}), DataType::kFloat32, v1::LAYOUT_UNSPECIFIED);
  answer = CalibrateOn(dims);
  EXPECT_THAT(answer.status.error_message(), HasSubstr("keys.head_dim is 8, queries.head_dim is 16"));
  EXPECT_THAT(BadFieldsOf(answer.status), ElementsAre("keys.shape"));
  EXPECT_EQ(CallWithBytes(favord_.channel(), "/favor.v1.AttentionService/Calibrate", "\xff\xff").status.error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(Calibrate, StatisticsThatCannotBeInvertedAreRefusedByField) {
  v1::AttendRequest request = Request();
  const v1::Statistics measured = CalibrateOn(request).response.statistics();
  v1::Statistics* statistics = request.mutable_spec()->mutable_features()->mutable_statistics();
  *statistics = measured;
  for (int i = 0; i < 256; ++i) statistics->mutable_heads(1)->set_query_transform(i, 1);
  for (const bool causal : {false, true}) {
    request.mutable_spec()->set_causal(causal);
    const AttendAnswer answer = Attend(favord_.channel(), request);
    EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << Describe(answer.status);
    EXPECT_THAT(answer.status.error_message(),
                HasSubstr("spec.features.statistics.heads[1].query_transform is singular"));
    EXPECT_THAT(BadFieldsOf(answer.status), ElementsAre("spec.features.statistics.heads[1].query_transform"));
  }
}

}  // namespace
}  // namespace favor::testing
