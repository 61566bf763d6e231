#include "favor/projection/projection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include "favor/projection/draw_block.h"

namespace favor {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string MessageOf(const absl::Status& status) { return std::string(status.message()); }

absl::Status DrawError(const ProjectionSpec& spec) { return DrawProjection(spec).status(); }

std::vector<float> RowsOf(const ProjectionSpec& spec) {
  const auto projection = DrawProjection(spec);
  EXPECT_TRUE(projection.ok()) << projection.status();
  const absl::Span<const float> rows = (*projection)->Matrix(0);
  EXPECT_EQ(static_cast<int64_t>(rows.size()), spec.num_features * spec.head_dim);
  return {rows.begin(), rows.end()};
}

TEST(DrawProjection, NamesFieldValueAndBoundOfASizeThatDoesNotFit) {
  ProjectionSpec spec{ProjectionKind::kOrthogonal, RowNorms::kChi, 0, 70000, 64};
  EXPECT_EQ(DrawError(spec), absl::InvalidArgumentError("projection.num_features is 70000, at most 65536"));
  spec.num_features = 0;
  EXPECT_EQ(DrawError(spec), absl::InvalidArgumentError("projection.num_features is 0, at least 1"));
  spec.num_features = std::numeric_limits<int64_t>::min();
  EXPECT_EQ(DrawError(spec).code(), absl::StatusCode::kInvalidArgument);
  spec.num_features = 8;
  spec.head_dim = 513;
  EXPECT_EQ(DrawError(spec), absl::InvalidArgumentError("projection.head_dim is 513, at most 512"));
  spec.head_dim = -1;
  EXPECT_EQ(DrawError(spec), absl::InvalidArgumentError("projection.head_dim is -1, at least 1"));
  spec = {ProjectionKind::kSupplied, RowNorms::kChi, 0, 8, 8};
  EXPECT_THAT(MessageOf(DrawError(spec)), HasSubstr("projection.kind is supplied"));
}

TEST(DrawProjection, IsTheBeginningOfOneWithMoreFeatures) {
  for (ProjectionKind kind :
       {ProjectionKind::kOrthogonal, ProjectionKind::kIid, ProjectionKind::kStructured, ProjectionKind::kSimplex}) {
    for (int64_t head_dim : {1, 5, 16, 32, 33}) {
      const std::vector<float> all = RowsOf({kind, RowNorms::kChi, 77, 100, head_dim});
      for (int64_t count : {int64_t{1}, head_dim - 1, head_dim, head_dim + 1, int64_t{50}, int64_t{99}}) {
        if (count < 1) continue;
        const std::vector<float> some = RowsOf({kind, RowNorms::kChi, 77, count, head_dim});
        EXPECT_TRUE(std::equal(some.begin(), some.end(), all.begin()))
            << count << " rows of " << head_dim << ", kind " << static_cast<int>(kind);
      }
    }
  }
}

TEST(DrawProjection, HoldsItsBlocksWhicheverIsDrawnFirst) {
  const ProjectionSpec spec{ProjectionKind::kOrthogonal, RowNorms::kChi, 3, 20, 8};
  const std::vector<float> all = RowsOf(spec);
  for (int64_t block : {2, 0, 1}) {
    std::vector<float> rows(block == 2 ? 4 * 8 : 8 * 8);
    ASSERT_TRUE(internal::DrawBlock(spec, block, absl::MakeSpan(rows)).ok());
    EXPECT_TRUE(std::equal(rows.begin(), rows.end(), all.begin() + block * 64)) << "block " << block;
  }
}

TEST(DrawProjection, GivesAnotherMatrixAndIdForEverySpec) {
  const ProjectionSpec spec{ProjectionKind::kOrthogonal, RowNorms::kChi, 1, 12, 6};
  std::vector<ProjectionSpec> specs(8, spec);
  specs[1].kind = ProjectionKind::kIid;
  specs[2].row_norms = RowNorms::kSqrtDim;
  specs[3].seed = 2;
  specs[4].num_features = 13;
  specs[5].head_dim = 7;
  specs[6].kind = ProjectionKind::kStructured;
  specs[7].kind = ProjectionKind::kSimplex;
  std::set<std::string> ids;
  std::set<float> first_entries;
  for (const ProjectionSpec& each : specs) {
    const auto projection = DrawProjection(each);
    ASSERT_TRUE(projection.ok());
    ids.insert((*projection)->id());
    first_entries.insert((*projection)->Matrix(0)[0]);
    EXPECT_EQ((*projection)->num_matrices(), 1);
    EXPECT_EQ((*projection)->num_features(), each.num_features);
    EXPECT_EQ((*projection)->head_dim(), each.head_dim);
  }
  EXPECT_EQ(ids.size(), specs.size());
  EXPECT_EQ(first_entries.size(), specs.size() - 1);  // specs[4] starts as specs[0] does: the prefix law
}

TEST(DrawProjection, OfASimplexHasRowsAtEqualAngles) {
  for (const int64_t head_dim : {3, 8, 33}) {
    const std::vector<float> rows = RowsOf({ProjectionKind::kSimplex, RowNorms::kSqrtDim, 5, 2 * head_dim, head_dim});
    const auto dot = [&](int64_t a, int64_t b) {
      double sum = 0;
      for (int64_t i = 0; i < head_dim; ++i) sum += double{rows[a * head_dim + i]} * rows[b * head_dim + i];
      return sum / static_cast<double>(head_dim);
    };
    for (int64_t block = 0; block < 2; ++block) {
      for (int64_t a = block * head_dim; a < (block + 1) * head_dim; ++a) {
        EXPECT_NEAR(dot(a, a), 1, 1e-6);
        for (int64_t b = block * head_dim; b < a; ++b) {
          EXPECT_NEAR(dot(a, b), -1.0 / static_cast<double>(head_dim - 1), 1e-6);
        }
      }
    }
    EXPECT_GT(std::abs(dot(0, head_dim) + 1.0 / static_cast<double>(head_dim - 1)), 1e-4) << "blocks are independent";
  }
}

TEST(DrawProjection, SharesOneMatrixAmongAllKeyHeads) {
  const auto projection = DrawProjection({ProjectionKind::kIid, RowNorms::kChi, 1, 4, 4});
  ASSERT_TRUE(projection.ok());
  EXPECT_EQ((*projection)->Matrix(0).data(), (*projection)->Matrix(7).data());
}

TEST(DrawProjection, HonoursACancellationBetweenBlocks) {
  Cancellation cancelled;
  cancelled.Cancel();
  const ProjectionSpec largest{ProjectionKind::kOrthogonal, RowNorms::kChi, 0, kMaxNumFeatures, kMaxHeadDim};
  EXPECT_EQ(DrawProjection(largest, &cancelled).status().code(), absl::StatusCode::kCancelled);
  // The largest draw takes seconds; a deadline in its middle ends it.
  const absl::Time start = absl::Now();
  const Cancellation deadline(start + absl::Milliseconds(30));
  EXPECT_EQ(DrawProjection(largest, &deadline).status().code(), absl::StatusCode::kDeadlineExceeded);
  const Cancellation unused;
  EXPECT_TRUE(DrawProjection({ProjectionKind::kIid, RowNorms::kChi, 0, 4, 4}, &unused).ok());
}

TEST(SuppliedProjection, HoldsACopyOfEveryMatrix) {
  std::vector<float> rows = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  const auto projection = SuppliedProjection(rows, 2, 3, 2);
  ASSERT_TRUE(projection.ok()) << projection.status();
  rows.assign(12, 0);
  EXPECT_EQ((*projection)->num_matrices(), 2);
  EXPECT_THAT((*projection)->Matrix(0), testing::ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT((*projection)->Matrix(1), testing::ElementsAre(7, 8, 9, 10, 11, 12));
}

TEST(SuppliedProjection, RefusesAShapeThatTheEntriesDoNotFit) {
  const std::vector<float> rows(12, 1);
  for (int64_t num_matrices :
       {int64_t{1}, int64_t{3}, int64_t{0}, int64_t{-2}, std::numeric_limits<int64_t>::max() / 2}) {
    const absl::Status status = SuppliedProjection(rows, num_matrices, 3, 2).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << num_matrices;
    EXPECT_THAT(MessageOf(status), HasSubstr(std::to_string(num_matrices)));
  }
  EXPECT_EQ(SuppliedProjection({}, 1, 1, 1).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(SuppliedProjection(rows, 1, 0, 12).status(),
            absl::InvalidArgumentError("projection.num_features is 0, at least 1"));
  EXPECT_EQ(SuppliedProjection(rows, 1, 12, 600).status(),
            absl::InvalidArgumentError("projection.head_dim is 600, at most 512"));
  EXPECT_EQ(SuppliedProjection(rows, 1, 5, 2).status(),
            absl::InvalidArgumentError("projection.matrix has 12 entries, does not fit shape [1, 5, 2]"));
}

TEST(SuppliedProjection, NamesAnEntryThatIsNotFinite) {
  for (float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                    -std::numeric_limits<float>::infinity()}) {
    std::vector<float> rows(12, 1);
    rows[11] = bad;
    const absl::Status status = SuppliedProjection(rows, 2, 3, 2).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(MessageOf(status), HasSubstr("projection.matrix[1, 2, 1] is "));
  }
}

TEST(SuppliedProjection, HasAnIdOfItsEntriesAndShape) {
  std::vector<float> rows = {1, 2, 3, 4};
  const auto id = [&](int64_t a, int64_t b, int64_t c) { return (*SuppliedProjection(rows, a, b, c))->id(); };
  const std::string wide = id(1, 1, 4);
  EXPECT_EQ(wide, id(1, 1, 4));
  EXPECT_EQ((std::set<std::string>{wide, id(1, 2, 2), id(2, 1, 2), id(4, 1, 1)}).size(), 4u);
  rows[3] = std::nextafter(4.0f, 5.0f);
  EXPECT_NE(wide, id(1, 1, 4));
}

TEST(SuppliedProjection, RefusesEntriesWhoseProductsCouldOverflow) {
  std::vector<float> rows(2 * 3 * 4, 1.0f);
  rows[1 * 12 + 2 * 4 + 3] = -1e38f;
  const absl::Status status = SuppliedProjection(rows, 2, 3, 4).status();
  EXPECT_EQ(status.message(), "projection.matrix[1, 2, 3] is -1e+38, must be of magnitude at most 1e+13");
  rows[1 * 12 + 2 * 4 + 3] = -1e13f;
  EXPECT_TRUE(SuppliedProjection(rows, 2, 3, 4).ok());
}

}  // namespace
}  // namespace favor
