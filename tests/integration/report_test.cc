// What a report says: everything that ran, defaults filled in, so that a caller can ask for the same again.
#include <cmath>
#include <string>
#include <vector>

#include "favor/v1/info.grpc.pb.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "tests/integration/harness/attend_wire.h"
#include "tests/integration/harness/favord.h"
#include "tests/integration/harness/rpc.h"

namespace favor::testing {
namespace {

using ::testing::MatchesRegex;

v1::AttendRequest Plain() {
  v1::AttendRequest request = GoodRequest();
  request.clear_spec();
  return request;
}

TEST(Report, FillsInEveryDefault) {
  Favord favord;
  const AttendAnswer answer = Attend(favord.channel(), Plain());
  ASSERT_TRUE(answer.ok()) << Describe(answer.status);
  const v1::AttendReport& report = answer.response.report();
  const v1::AttentionSpec& spec = report.spec();
  EXPECT_FALSE(spec.causal());
  EXPECT_DOUBLE_EQ(spec.scale(), 1 / std::sqrt(8.0));
  EXPECT_EQ(spec.layout(), v1::LAYOUT_BATCH_HEADS_LENGTH_DIM);
  EXPECT_EQ(spec.precision(), v1::PRECISION_F32);
  ASSERT_TRUE(spec.has_features());
  EXPECT_EQ(spec.features().kernel(), v1::KERNEL_SOFTMAX);
  EXPECT_EQ(spec.features().estimator(), v1::ESTIMATOR_POSITIVE);
  EXPECT_EQ(spec.features().num_features(), 4 * 8);
  EXPECT_EQ(spec.features().projection().kind(), v1::PROJECTION_KIND_ORTHOGONAL);
  EXPECT_EQ(spec.features().projection().row_norms(), v1::ROW_NORMS_CHI);
  EXPECT_TRUE(spec.features().projection().has_seed());
  EXPECT_EQ(spec.features().projection().seed(), 0);
  EXPECT_FALSE(spec.features().has_epsilon_parity());

  EXPECT_EQ(report.num_features(), 32);
  EXPECT_EQ(report.degenerate_rows(), 0);
  EXPECT_THAT(report.projection_id(), MatchesRegex("[0-9a-f]{32}"));
  EXPECT_THAT(report.server_version(), MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+"));
  EXPECT_FALSE(report.cpu_target().empty());
  EXPECT_TRUE(report.has_queue_time());
  EXPECT_GE(report.queue_time().nanos(), 0);
  EXPECT_GT(report.compute_time().seconds() * 1'000'000'000 + report.compute_time().nanos(), 0);
  EXPECT_FALSE(report.has_statistics());
  EXPECT_TRUE(report.has_predicted_error());
  EXPECT_FALSE(report.has_measured_error());
  EXPECT_FALSE(report.error_bound_missed());
}

TEST(Report, MeasuresTheErrorWhereItIsAskedToAndTheOutputKeepsItsBits) {
  Favord favord;
  const AttendAnswer plain = Attend(favord.channel(), Plain());
  v1::AttendRequest exact = Plain(), measured = Plain();
  exact.mutable_spec()->mutable_exact();
  measured.set_measure_error_rows(4096);  // all there are
  const AttendAnswer truth = Attend(favord.channel(), exact), answer = Attend(favord.channel(), measured);
  ASSERT_TRUE(truth.ok() && answer.ok()) << Describe(answer.status);
  EXPECT_EQ(answer.response.output().data(), plain.response.output().data());
  double error = 0, norm = 0;
  const auto* a = reinterpret_cast<const float*>(answer.response.output().data().data());
  const auto* b = reinterpret_cast<const float*>(truth.response.output().data().data());
  for (size_t i = 0; i < truth.response.output().data().size() / sizeof(float); ++i) {
    error += std::pow(double{a[i]} - b[i], 2);
    norm += std::pow(double{b[i]}, 2);
  }
  const v1::ErrorEstimate& estimate = answer.response.report().measured_error();
  EXPECT_NEAR(estimate.relative_error(), std::sqrt(error / norm), 1e-5);
  EXPECT_EQ(estimate.lower(), estimate.upper());
  EXPECT_GT(estimate.mean_of_values_error(), 0);
  EXPECT_GT(estimate.num_rows(), 0);
}

TEST(Report, ForetellsTheErrorOfWhatApproximatesSoftmaxAttentionAndOfNothingElse) {
  Favord favord;
  v1::AttendRequest request = Plain();
  request.set_measure_error_rows(4096);
  for (const bool causal : {false, true}) {
    request.mutable_spec()->set_causal(causal);
    const AttendAnswer answer = Attend(favord.channel(), request);
    ASSERT_TRUE(answer.ok()) << Describe(answer.status);
    const v1::ErrorEstimate& predicted = answer.response.report().predicted_error();
    const v1::ErrorEstimate& measured = answer.response.report().measured_error();
    EXPECT_LE(predicted.lower(), measured.relative_error());
    EXPECT_GE(predicted.upper(), measured.relative_error());
    EXPECT_GT(predicted.mean_of_values_error(), measured.mean_of_values_error() / 2);
    EXPECT_LT(predicted.mean_of_values_error(), measured.mean_of_values_error() * 2);
    EXPECT_GT(predicted.num_rows(), 0);
  }
  v1::AttendRequest exact = Plain(), relu = Plain();
  exact.mutable_spec()->mutable_exact();
  relu.mutable_spec()->mutable_features()->set_kernel(v1::KERNEL_GENERALIZED);
  for (const v1::AttendRequest& other : {exact, relu}) {
    const AttendAnswer answer = Attend(favord.channel(), other);
    ASSERT_TRUE(answer.ok()) << Describe(answer.status);
    EXPECT_FALSE(answer.response.report().has_predicted_error());
  }
}

// bfloat16 is a permission: CPUs without instructions for it answer in float32, bit for bit, and say so.
TEST(Report, NamesThePrecisionThatRan) {
  Favord favord;
  v1::AttendRequest request = Plain();
  const AttendAnswer exact = Attend(favord.channel(), request);
  ASSERT_TRUE(exact.ok()) << Describe(exact.status);
  request.mutable_spec()->set_precision(v1::PRECISION_BF16);
  const AttendAnswer answer = Attend(favord.channel(), request);
  ASSERT_TRUE(answer.ok()) << Describe(answer.status);
  if (answer.response.report().spec().precision() == v1::PRECISION_BF16) {
    EXPECT_NE(answer.response.output().data(), exact.response.output().data());
  } else {
    EXPECT_EQ(answer.response.report().spec().precision(), v1::PRECISION_F32);
    EXPECT_EQ(answer.response.output().data(), exact.response.output().data());
  }
}

TEST(Report, SpecAskedForAgainGivesTheSameBitsAndTheSameReport) {
  Favord favord;
  std::vector<v1::AttendRequest> requests(7, Plain());
  requests[1].mutable_spec()->mutable_exact();
  requests[2].mutable_spec()->set_causal(true);
  requests[2].mutable_spec()->mutable_features()->set_estimator(v1::ESTIMATOR_HYPERBOLIC);
  requests[3].mutable_spec()->mutable_features()->set_kernel(v1::KERNEL_SOFTMAX_REGULARIZED);
  requests[3].mutable_spec()->mutable_features()->mutable_epsilon_parity();
  requests[4].mutable_spec()->mutable_features()->set_kernel(v1::KERNEL_GENERALIZED);
  requests[4].mutable_spec()->mutable_features()->mutable_projection()->set_kind(v1::PROJECTION_KIND_IDENTITY);
  requests[5].mutable_spec()->mutable_features()->set_kernel(v1::KERNEL_POLYNOMIAL2);
  requests[6].mutable_spec()->mutable_features()->mutable_projection()->set_kind(v1::PROJECTION_KIND_STRUCTURED);
  for (v1::AttendRequest& request : requests) {
    SCOPED_TRACE(request.spec().ShortDebugString());
    const AttendAnswer first = Attend(favord.channel(), request);
    ASSERT_TRUE(first.ok()) << Describe(first.status);
    *request.mutable_spec() = first.response.report().spec();
    const AttendAnswer second = Attend(favord.channel(), request);
    ASSERT_TRUE(second.ok()) << Describe(second.status);
    EXPECT_EQ(first.response.output().data(), second.response.output().data());
    EXPECT_EQ(first.response.report().projection_id(), second.response.report().projection_id());
    EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(first.response.report().spec(),
                                                                   second.response.report().spec()))
        << second.response.report().spec().ShortDebugString();
  }
}

TEST(Report, ParityAndScaleDefaultsAreThoseOfTheKernel) {
  Favord favord;
  const struct {
    v1::Kernel kernel;
    double feature_epsilon;
    double scale;
  } cases[] = {{v1::KERNEL_SOFTMAX, 1e-4, 1 / std::sqrt(8.0)},
               {v1::KERNEL_GENERALIZED, 1e-3, 1 / std::sqrt(8.0)},
               {v1::KERNEL_NO_PROJECTION, 0, 1}};
  for (const auto& c : cases) {
    v1::AttendRequest request = Plain();
    request.mutable_spec()->mutable_features()->set_kernel(c.kernel);
    request.mutable_spec()->mutable_features()->mutable_epsilon_parity();
    const AttendAnswer answer = Attend(favord.channel(), request);
    ASSERT_TRUE(answer.ok()) << Describe(answer.status);
    const v1::AttentionSpec& spec = answer.response.report().spec();
    EXPECT_DOUBLE_EQ(spec.features().epsilon_parity().feature_epsilon(), c.feature_epsilon);
    EXPECT_DOUBLE_EQ(spec.features().epsilon_parity().causal_epsilon(), 1e-6);
    EXPECT_DOUBLE_EQ(spec.scale(), c.scale);
  }
}

TEST(Report, SuppliedMatrixIsLeftOutAndHasAnIdOfItsOwn) {
  Favord favord;
  const AttentionShape shape = {1, 2, 2, 5, 5, 8, 4};
  v1::AttendRequest request = ToRequest(GaussianCase({}, shape, TestProjection(16, 8, 1), 1));
  const AttendAnswer first = Attend(favord.channel(), request);
  ASSERT_TRUE(first.ok()) << Describe(first.status);
  const v1::FeatureSpec& features = first.response.report().spec().features();
  EXPECT_EQ(features.projection().kind(), v1::PROJECTION_KIND_SUPPLIED);
  EXPECT_FALSE(features.projection().has_matrix());
  EXPECT_EQ(features.num_features(), 16);
  EXPECT_EQ(first.response.report().num_features(), 16);

  // One bit of the matrix is enough for another id.
  (*request.mutable_spec()->mutable_features()->mutable_projection()->mutable_matrix()->mutable_data())[0] ^= 1;
  const AttendAnswer second = Attend(favord.channel(), request);
  ASSERT_TRUE(second.ok()) << Describe(second.status);
  EXPECT_NE(first.response.report().projection_id(), second.response.report().projection_id());
}

TEST(Report, NoProjectionNoId) {
  Favord favord;
  v1::AttendRequest request = Plain();
  request.mutable_spec()->mutable_exact();
  const AttendAnswer exact = Attend(favord.channel(), request);
  ASSERT_TRUE(exact.ok()) << Describe(exact.status);
  EXPECT_EQ(exact.response.report().projection_id(), "");
  EXPECT_EQ(exact.response.report().num_features(), 0);
  EXPECT_TRUE(exact.response.report().spec().has_exact());

  request.mutable_spec()->mutable_features()->set_kernel(v1::KERNEL_TAYLOR2);
  const AttendAnswer taylor = Attend(favord.channel(), request);
  ASSERT_TRUE(taylor.ok()) << Describe(taylor.status);
  EXPECT_EQ(taylor.response.report().projection_id(), "");
  EXPECT_EQ(taylor.response.report().num_features(), 1 + 8 + 8 * 9 / 2);
  EXPECT_FALSE(taylor.response.report().spec().features().has_projection());
}

TEST(Report, NumFeaturesCountsBothFeaturesOfARow) {
  Favord favord;
  for (const v1::Estimator estimator : {v1::ESTIMATOR_HYPERBOLIC, v1::ESTIMATOR_TRIGONOMETRIC}) {
    v1::AttendRequest request = Plain();
    request.mutable_spec()->mutable_features()->set_estimator(estimator);
    request.mutable_spec()->mutable_features()->set_num_features(20);
    const AttendAnswer answer = Attend(favord.channel(), request);
    ASSERT_TRUE(answer.ok()) << Describe(answer.status);
    EXPECT_EQ(answer.response.report().num_features(), 40);
    EXPECT_EQ(answer.response.report().spec().features().num_features(), 20);
  }
}

TEST(Projections, AreTheSameOnEveryServerAndForEverySeed) {
  Favord one({.flags = {"--threads", "1"}});
  Favord other({.flags = {"--threads", "3"}});
  std::vector<std::string> ids;
  for (const uint64_t seed : {uint64_t{0}, uint64_t{1}, ~uint64_t{0}}) {
    for (const v1::ProjectionKind kind :
         {v1::PROJECTION_KIND_ORTHOGONAL, v1::PROJECTION_KIND_IID, v1::PROJECTION_KIND_STRUCTURED}) {
      v1::AttendRequest request = Plain();
      request.mutable_spec()->mutable_features()->mutable_projection()->set_seed(seed);
      request.mutable_spec()->mutable_features()->mutable_projection()->set_kind(kind);
      const AttendAnswer a = Attend(one.channel(), request);
      const AttendAnswer b = Attend(other.channel(), request);
      ASSERT_TRUE(a.ok() && b.ok()) << Describe(a.status) << Describe(b.status);
      EXPECT_EQ(a.response.output().data(), b.response.output().data());
      EXPECT_EQ(a.response.report().projection_id(), b.response.report().projection_id());
      EXPECT_THAT(ids, ::testing::Not(::testing::Contains(a.response.report().projection_id())));
      ids.push_back(a.response.report().projection_id());
    }
  }
}

TEST(Info, TellsTheLimitsInForce) {
  Favord favord({.flags = {"--threads", "3", "--max-message-size", "3MiB", "--memory-budget", "64MiB"}});
  const auto stub = v1::InfoService::NewStub(favord.channel());
  grpc::ClientContext context;
  v1::GetServerInfoResponse info;
  const grpc::Status status = stub->GetServerInfo(&context, {}, &info);
  ASSERT_TRUE(status.ok()) << Describe(status);
  EXPECT_THAT(info.version(), MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+"));
  EXPECT_FALSE(info.build().empty());
  EXPECT_FALSE(info.cpu_target().empty());
  EXPECT_EQ(info.num_compute_threads(), 3);
  EXPECT_EQ(info.limits().max_message_bytes(), 3 << 20);
  EXPECT_EQ(info.limits().memory_budget_bytes(), 64 << 20);
  EXPECT_EQ(info.limits().max_num_features(), 65'536);
  EXPECT_EQ(info.limits().max_head_dim(), 512);
  EXPECT_EQ(info.limits().max_value_dim(), 512);
  EXPECT_EQ(info.limits().max_inputs_per_request(), 65'536);

  const AttendAnswer answer = Attend(favord.channel(), Plain());
  EXPECT_EQ(answer.response.report().server_version(), info.version());
  EXPECT_EQ(answer.response.report().cpu_target(), info.cpu_target());
}

}  // namespace
}  // namespace favor::testing
