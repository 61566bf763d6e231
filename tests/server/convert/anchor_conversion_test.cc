// Attend calls that ask for anchors, or for the best estimator.
#include <string>

#include "favor/feature_map/feature_spec.h"
#include "gtest/gtest.h"
#include "server/convert/field_error.h"
#include "tests/server/convert/attend_request.h"

namespace favor {
namespace {

v1::FeatureSpec& Anchors(v1::AttendRequest& r) {
  r.mutable_spec()->set_causal(false);
  Features(r).set_estimator(v1::ESTIMATOR_ANCHORS);
  return Features(r);
}

struct Refused {
  const char* name;
  void (*change)(v1::AttendRequest&);
  const char *field, *message;
};

const Refused kRefused[] = {
    {"OfFeatures", [](auto& r) { Features(r).set_num_anchors(3); }, "spec.features.num_anchors",
     "spec.features.num_anchors is 3, ESTIMATOR_ANCHORS alone takes it"},
    {"FitOfFeatures", [](auto& r) { Features(r).set_num_fit_rows(1); }, "spec.features.num_fit_rows",
     "spec.features.num_fit_rows is 1, ESTIMATOR_ANCHORS alone takes it"},
    {"Negative", [](auto& r) { Anchors(r).set_num_anchors(-3); }, "spec.features.num_anchors",
     "spec.features.num_anchors is -3, must be from 1 to 256"},
    {"TooMany", [](auto& r) { Anchors(r).set_num_anchors(257); }, "spec.features.num_anchors",
     "spec.features.num_anchors is 257, must be from 1 to 256"},
    {"TooManyFitRows", [](auto& r) { Anchors(r).set_num_fit_rows(1025); }, "spec.features.num_fit_rows",
     "spec.features.num_fit_rows is 1025, must be from 0 to 1024"},
    {"TooManyDirections", [](auto& r) { Anchors(r).set_num_directions(33); }, "spec.features.num_directions",
     "spec.features.num_directions is 33, must be from 0 to 32"},
    {"DirectionsOfFeatures", [](auto& r) { Features(r).set_num_directions(2); }, "spec.features.num_directions",
     "spec.features.num_directions is 2, ESTIMATOR_ANCHORS alone takes it"},
    {"DirectionsOfFirstOrder",
     [](auto& r) {
       Anchors(r).set_estimator(v1::ESTIMATOR_FIRST_ORDER);
       Features(r).set_num_directions(2);
     },
     "spec.features.num_directions",
     "spec.features.num_directions is 2, ESTIMATOR_FIRST_ORDER has none of second order"},
    {"FeaturesToo",
     [](auto& r) {
       Anchors(r).set_num_anchors(3);
       Features(r).set_num_features(64);
     },
     "spec.features.num_features",
     "spec.features.num_features is 64, which says how many anchors, while there are to be 3"},
    {"Seed", [](auto& r) { Anchors(r).mutable_projection()->set_seed(7); }, "spec.features.projection.seed",
     "spec.features.projection.seed is 7, anchors take no projection"},
    {"Antithetic", [](auto& r) { Anchors(r).set_antithetic(true); }, "spec.features.antithetic",
     "spec.features.antithetic is true, ESTIMATOR_ANCHORS has no rows to change"},
    {"Gaussian", [](auto& r) { Anchors(r).set_kernel(v1::KERNEL_GAUSSIAN); }, "spec.features.estimator",
     "spec.features.estimator is ESTIMATOR_ANCHORS, KERNEL_GAUSSIAN takes positive or trigonometric"},
    {"Causal",
     [](auto& r) {
       Anchors(r);
       r.mutable_spec()->set_causal(true);
     },
     "spec.features.estimator",
     "spec.features.estimator is ESTIMATOR_ANCHORS, which an Attend that is not causal serves alone: it has all "
     "queries "
     "and all keys"},
    {"FirstOrderOfTwo",
     [](auto& r) {
       Anchors(r).set_estimator(v1::ESTIMATOR_FIRST_ORDER);
       Features(r).set_num_anchors(2);
     },
     "spec.features.num_anchors",
     "spec.features.num_anchors is 2, ESTIMATOR_FIRST_ORDER has 1 anchor and takes no num_features"},
    {"FirstOrderOfFeatures",
     [](auto& r) {
       Anchors(r).set_estimator(v1::ESTIMATOR_FIRST_ORDER);
       Features(r).set_num_features(10);
     },
     "spec.features.num_features",
     "spec.features.num_features is 10, ESTIMATOR_FIRST_ORDER has 1 anchor and takes no num_features"},
    {"FirstOrderOfGaussian",
     [](auto& r) {
       Anchors(r).set_estimator(v1::ESTIMATOR_FIRST_ORDER);
       Features(r).set_kernel(v1::KERNEL_GAUSSIAN);
     },
     "spec.features.estimator",
     "spec.features.estimator is ESTIMATOR_FIRST_ORDER, KERNEL_GAUSSIAN takes positive or trigonometric"},
    {"BestOfTaylor",
     [](auto& r) {
       Anchors(r).set_estimator(v1::ESTIMATOR_BEST);
       Features(r).set_kernel(v1::KERNEL_TAYLOR2);
     },
     "spec.features.estimator", "spec.features.estimator is ESTIMATOR_BEST, KERNEL_TAYLOR2 takes none"},
    {"AntitheticBest",
     [](auto& r) {
       Anchors(r).set_estimator(v1::ESTIMATOR_BEST);
       Features(r).set_antithetic(true);
     },
     "spec.features.antithetic", "spec.features.antithetic is true, ESTIMATOR_BEST has no rows to change"},
};

TEST(AnchorConversion, RefusesWhatDoesNotFitNamingFieldValueAndBound) {
  for (const Refused& refused : kRefused) {
    SCOPED_TRACE(refused.name);
    v1::AttendRequest request = GoodRequest();
    refused.change(request);
    const absl::Status status = Convert(request).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(status.message(), refused.message);
    EXPECT_EQ(FieldOf(status), refused.field);
  }
}

TEST(AnchorConversion, UnsetAnchorsCostWhatFeaturesWould) {
  v1::AttendRequest request = GoodRequest();
  Anchors(request);
  EXPECT_EQ(Convert(request)->spec.features.num_anchors, DefaultNumAnchors(4 * 8, 8));
  EXPECT_EQ(Convert(request)->spec.features.num_fit_rows, 0);
  EXPECT_FALSE(Convert(request)->drawn_projection.has_value());
  Features(request).set_num_features(1000);
  EXPECT_EQ(Convert(request)->spec.features.num_anchors, DefaultNumAnchors(1000, 8));
  EXPECT_GT(DefaultNumAnchors(1000, 8), DefaultNumAnchors(32, 8));
}

TEST(AnchorConversion, FirstOrderIsOneAnchor) {
  v1::AttendRequest request = GoodRequest();
  Features(request).set_estimator(v1::ESTIMATOR_FIRST_ORDER);
  const absl::StatusOr<AttendWork> work = Convert(request);
  ASSERT_TRUE(work.ok()) << work.status();
  EXPECT_EQ(work->spec.features.estimator, Estimator::kAnchors);
  EXPECT_EQ(work->spec.features.num_anchors, 1);
  EXPECT_EQ(work->spec.features.num_directions, 0);
}

TEST(AnchorConversion, TheSecondCumulantIsOneAnchorWithDirections) {
  v1::AttendRequest request = GoodRequest();
  Features(request).set_estimator(v1::ESTIMATOR_SECOND_CUMULANT);
  EXPECT_EQ(Convert(request)->spec.features.num_anchors, 1);
  EXPECT_EQ(Convert(request)->spec.features.num_directions, 16);
  Features(request).set_num_directions(3);
  EXPECT_EQ(Convert(request)->spec.features.num_directions, 3);
}

TEST(AnchorConversion, BestIsAnchorsWithAFitWhereTheyCanRunAndFavorPlusElsewhere) {
  v1::AttendRequest request = GoodRequest();
  Features(request).set_estimator(v1::ESTIMATOR_BEST);
  Features(request).set_num_features(64);
  Projection_(request).set_seed(7);  // for where FAVOR+ runs
  Projection_(request).set_kind(v1::PROJECTION_KIND_IID);
  absl::StatusOr<AttendWork> work = Convert(request);
  ASSERT_TRUE(work.ok()) << work.status();
  EXPECT_EQ(work->spec.features.estimator, Estimator::kAnchors);
  EXPECT_EQ(work->spec.features.num_directions, 8);
  EXPECT_EQ(work->spec.features.num_anchors, DefaultNumAnchors(64, 8, 8));
  EXPECT_EQ(work->spec.features.num_fit_rows, 32);
  request.mutable_spec()->set_causal(true);
  work = Convert(request);
  ASSERT_TRUE(work.ok()) << work.status();
  EXPECT_EQ(work->spec.features.estimator, Estimator::kPositive);
  EXPECT_EQ(*work->drawn_projection, (ProjectionSpec{ProjectionKind::kIid, RowNorms::kChi, 7, 64, 8}));
  request.mutable_spec()->set_causal(false);
  SetTensor(Projection_(request).mutable_matrix(), {64, 8});
  EXPECT_FALSE(Convert(request).ok()) << "a matrix is a model's own";
  Features(request).clear_projection();
  Features(request).set_kernel(v1::KERNEL_GAUSSIAN);
  EXPECT_EQ(Convert(request)->spec.features.estimator, Estimator::kPositive);
}

}  // namespace
}  // namespace favor
