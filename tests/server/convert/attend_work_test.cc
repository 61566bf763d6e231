// What becomes of requests that are right.
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/convert/attend_request_conversion.h"
#include "server/convert/spec_conversion.h"
#include "tests/server/convert/attend_request.h"

namespace favor {
namespace {

TEST(ToAttendWork, FillsInEveryDefault) {
  const absl::StatusOr<AttendWork> work = Convert(GoodRequest());
  ASSERT_TRUE(work.ok()) << work.status();
  EXPECT_EQ(work->spec.mode, AttentionMode::kFeatures);
  EXPECT_DOUBLE_EQ(*work->spec.scale, 1 / std::sqrt(8.0));
  ASSERT_TRUE(work->drawn_projection);
  EXPECT_EQ(*work->drawn_projection, (ProjectionSpec{ProjectionKind::kOrthogonal, RowNorms::kChi, 0, 32, 8}));
  EXPECT_EQ(work->OutputShape(), (Shape{2, 4, 5, 6}));
  EXPECT_EQ(EffectiveSpec(*work).features().num_features(), 32);
}

TEST(ToAttendWork, ReadsAndReportsAStructuredProjection) {
  for (const auto& [wire_norms, norms] :
       {std::pair(v1::ROW_NORMS_UNSPECIFIED, RowNorms::kChi), std::pair(v1::ROW_NORMS_SQRT_DIM, RowNorms::kSqrtDim)}) {
    v1::AttendRequest request = GoodRequest();
    Projection_(request).set_kind(v1::PROJECTION_KIND_STRUCTURED);
    Projection_(request).set_row_norms(wire_norms);
    Projection_(request).set_seed(5);
    const absl::StatusOr<AttendWork> work = Convert(request);
    ASSERT_TRUE(work.ok()) << work.status();
    EXPECT_EQ(*work->drawn_projection, (ProjectionSpec{ProjectionKind::kStructured, norms, 5, 32, 8}));
    const v1::Projection reported = EffectiveSpec(*work).features().projection();
    EXPECT_EQ(reported.kind(), v1::PROJECTION_KIND_STRUCTURED);
    EXPECT_EQ(reported.row_norms(), norms == RowNorms::kChi ? v1::ROW_NORMS_CHI : v1::ROW_NORMS_SQRT_DIM);
    EXPECT_EQ(reported.seed(), 5);
  }
}

TEST(ToAttendWork, ReadsTheOtherLayoutByItsAxes) {
  v1::AttendRequest request;
  request.mutable_spec()->set_layout(v1::LAYOUT_BATCH_LENGTH_HEADS_DIM);
  SetTensor(request.mutable_queries(), {2, 5, 4, 8});
  SetTensor(request.mutable_keys(), {2, 7, 2, 8});
  SetTensor(request.mutable_values(), {2, 7, 2, 6});
  const absl::StatusOr<AttendWork> work = Convert(request);
  ASSERT_TRUE(work.ok()) << work.status();
  EXPECT_EQ(work->queries.shape, (Shape{2, 4, 5, 8}));
  EXPECT_EQ(work->keys.View(work->axis_order).strides.head, 8);
}

TEST(ToAttendWork, ReadsAMatrixOfHalfFloatsAsTheSameNumbers) {
  v1::AttendRequest request = GoodRequest();
  SetTensor(Projection_(request).mutable_matrix(), {16, 8}, 1.5f);
  const absl::StatusOr<AttendWork> full = Convert(request);
  ASSERT_TRUE(full.ok()) << full.status();
  for (const auto& [type, bits] :
       {std::pair(v1::DATA_TYPE_F16, uint16_t{0x3e00}), std::pair(v1::DATA_TYPE_BF16, uint16_t{0x3fc0})}) {  // 1.5
    const std::vector<uint16_t> halves(16 * 8, bits);
    v1::Tensor* matrix = Projection_(request).mutable_matrix();
    matrix->set_data_type(type);
    matrix->set_data(std::string(reinterpret_cast<const char*>(halves.data()), halves.size() * sizeof(uint16_t)));
    const absl::StatusOr<AttendWork> half = Convert(request);
    ASSERT_TRUE(half.ok()) << half.status();
    EXPECT_EQ(half->supplied_projection->id(), full->supplied_projection->id());
    EXPECT_EQ(half->supplied_projection->Matrix(0)[127], 1.5f);
  }
}

TEST(ToAttendWork, LengthZeroIsLegal) {
  v1::AttendRequest request;
  SetTensor(request.mutable_queries(), {1, 4, 0, 8});
  SetTensor(request.mutable_keys(), {1, 4, 0, 8});
  SetTensor(request.mutable_values(), {1, 4, 0, 6});
  EXPECT_TRUE(Convert(request).ok());
}

// What the report says ran is itself a request for the same.
TEST(EffectiveSpec, IsAFixedPoint) {
  for (const v1::Kernel kernel :
       {v1::KERNEL_SOFTMAX, v1::KERNEL_GAUSSIAN, v1::KERNEL_SOFTMAX_REGULARIZED, v1::KERNEL_GENERALIZED,
        v1::KERNEL_ELU_PLUS_ONE, v1::KERNEL_NO_PROJECTION, v1::KERNEL_TAYLOR2, v1::KERNEL_POLYNOMIAL2}) {
    v1::AttendRequest request = GoodRequest();
    Features(request).set_kernel(kernel);
    if (kernel == v1::KERNEL_GENERALIZED) Features(request).mutable_epsilon_parity();
    const absl::StatusOr<AttendWork> work = Convert(request);
    ASSERT_TRUE(work.ok()) << work.status();
    const v1::AttentionSpec spec = EffectiveSpec(*work);
    *request.mutable_spec() = spec;
    const absl::StatusOr<AttendWork> again = Convert(request);
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(EffectiveSpec(*again).DebugString(), spec.DebugString());
  }
}

}  // namespace
}  // namespace favor
