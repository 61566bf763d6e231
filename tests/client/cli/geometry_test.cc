#include "client/cli/geometry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace favor::cli {
namespace {

using client::Layout;
using ::testing::ElementsAre;

using Shape = std::vector<int64_t>;

TEST(PromoteShape, AddsTheOuterAxesOfEachLayout) {
  EXPECT_THAT(*PromoteShape("q", Shape{5, 3}, Layout::kUnspecified), ElementsAre(1, 1, 5, 3));
  EXPECT_THAT(*PromoteShape("q", Shape{2, 5, 3}, Layout::kBatchHeadsLengthDim), ElementsAre(1, 2, 5, 3));
  EXPECT_THAT(*PromoteShape("q", Shape{5, 3}, Layout::kBatchLengthHeadsDim), ElementsAre(1, 5, 1, 3));
  EXPECT_THAT(*PromoteShape("q", Shape{5, 2, 3}, Layout::kBatchLengthHeadsDim), ElementsAre(1, 5, 2, 3));
  EXPECT_THAT(*PromoteShape("q", Shape{7, 2, 5, 3}, Layout::kUnspecified), ElementsAre(7, 2, 5, 3));
}

TEST(PromoteShape, RefusesOtherRanksByName) {
  EXPECT_EQ(PromoteShape("keys", Shape{5}, Layout::kUnspecified).status().message(),
            "keys has the shape [5], it must have 2 to 4 axes");
  EXPECT_FALSE(PromoteShape("keys", Shape{1, 1, 1, 1, 1}, Layout::kUnspecified).ok());
}

TEST(DemoteShape, UndoesThePromotion) {
  for (const Layout layout : {Layout::kUnspecified, Layout::kBatchHeadsLengthDim, Layout::kBatchLengthHeadsDim}) {
    for (const Shape& shape : {Shape{5, 3}, Shape{2, 5, 3}, Shape{7, 2, 5, 3}}) {
      EXPECT_EQ(DemoteShape(*PromoteShape("q", shape, layout), shape.size(), layout), shape);
    }
  }
}

TEST(GeometryOf, FindsEveryRow) {
  const Geometry heads_first = GeometryOf({2, 3, 5, 4}, Layout::kUnspecified);
  EXPECT_EQ(heads_first.num_heads, 3);
  EXPECT_EQ(heads_first.length, 5);
  EXPECT_EQ(heads_first.RowOffset(1, 2, 3), ((1 * 3 + 2) * 5 + 3) * 4);
  const Geometry length_first = GeometryOf({2, 5, 3, 4}, Layout::kBatchLengthHeadsDim);
  EXPECT_EQ(length_first.num_heads, 3);
  EXPECT_EQ(length_first.length, 5);
  EXPECT_EQ(length_first.RowOffset(1, 2, 3), ((1 * 5 + 3) * 3 + 2) * 4);
}

}  // namespace
}  // namespace favor::cli
