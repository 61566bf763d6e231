#include "server/execution/attend_size.h"

#include <set>

#include "gtest/gtest.h"

namespace favor {
namespace {

// Without data: sizes are told by shapes.
AttendWork Work(int64_t length, int64_t dim, int64_t num_features) {
  AttendWork work;
  for (OwnedTensor* tensor : {&work.queries, &work.keys, &work.values}) tensor->shape = {1, 8, length, dim};
  work.drawn_projection = ProjectionSpec{ProjectionKind::kOrthogonal, RowNorms::kChi, 0, num_features, dim};
  return work;
}

JobSize SizeOf(const AttendWork& work) {
  if (!work.drawn_projection) return AttendSize(work, nullptr, Job());
  const auto projection = DrawProjection(*work.drawn_projection);
  EXPECT_TRUE(projection.ok()) << projection.status();
  return AttendSize(work, projection->get(), Job());
}

TEST(AttendSize, CountsTheOperationsOfFeatures) {
  EXPECT_EQ(SizeOf(Work(1000, 64, 256)).operations, 2.0 * 8 * 1000 * 256 * 2 * (64 + 64));
}

TEST(AttendSize, CountsFeaturesThatNeedNoProjection) {
  AttendWork work = Work(1000, 64, 256);
  work.drawn_projection.reset();
  work.spec.features.kernel = Kernel::kTaylor2;
  EXPECT_GT(SizeOf(work).operations, 2.0 * 8 * 1000 * 64 * 64 / 2 * 2 * (64 + 64));
}

TEST(AttendSize, ShapesOfOneKindMeasureEachOther) {
  EXPECT_EQ(SizeOf(Work(4096, 64, 256)).kind, SizeOf(Work(65536, 64, 256)).kind);
  EXPECT_EQ(SizeOf(Work(4096, 64, 256)).kind, SizeOf(Work(4096, 128, 1024)).kind);
  AttendWork exact = Work(2500, 32, 16), longer = Work(100'000, 32, 16);
  for (AttendWork* work : {&exact, &longer}) {
    work->drawn_projection.reset();
    work->spec.mode = AttentionMode::kExact;
  }
  EXPECT_EQ(SizeOf(exact).kind, SizeOf(longer).kind);
}

// Of little work a row, or of few rows a head, most is overhead: an operation takes many times as long.
TEST(AttendSize, NarrowShortAndOrdinaryWorkAreKindsOfTheirOwn) {
  const std::set<int> kinds = {SizeOf(Work(4096, 64, 256)).kind, SizeOf(Work(4096, 1, 1)).kind,
                               SizeOf(Work(4096, 8, 16)).kind, SizeOf(Work(1, 64, 256)).kind,
                               SizeOf(Work(16, 64, 256)).kind};
  EXPECT_EQ(kinds.size(), 5);
}

TEST(AttendSize, KindsStayBelowThoseOfModels) {
  for (const int64_t length : {0, 1, 1 << 20}) {
    for (const int64_t dim : {1, 512}) {
      AttendWork work = Work(length, dim, 16);
      work.drawn_projection.reset();
      work.spec.mode = AttentionMode::kExact;
      work.spec.causal = true;
      work.spec.precision = Precision::kBFloat16;
      const int kind = SizeOf(work).kind;
      EXPECT_GE(kind, 0);
      EXPECT_LT(kind, JobSize::kFirstModelKind);
    }
  }
}

}  // namespace
}  // namespace favor
