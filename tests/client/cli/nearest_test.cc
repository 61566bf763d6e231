#include "client/cli/nearest.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace favor::cli {
namespace {

client::EmbedResult Result(std::vector<float> vector) {
  client::EmbedResult result;
  result.num_vectors = 1;
  result.dimensions = static_cast<int64_t>(vector.size());
  result.vectors = std::move(vector);
  return result;
}

std::vector<int64_t> Indices(const std::vector<Neighbour>& neighbours) {
  std::vector<int64_t> indices;
  for (const Neighbour& it : neighbours) indices.push_back(it.index);
  return indices;
}

TEST(Nearest, OrdersTheOthersByCosineWhateverTheirLength) {
  const std::vector<client::EmbedResult> results = {Result({1, 0}), Result({0, 5}), Result({9, 9}), Result({-3, 0})};
  const auto nearest = Nearest(results, 10);
  ASSERT_TRUE(nearest.ok()) << nearest.status();
  EXPECT_EQ(Indices((*nearest)[0]), (std::vector<int64_t>{2, 1, 3}));
  EXPECT_NEAR((*nearest)[0][0].cosine, std::sqrt(0.5), 1e-12);
  EXPECT_DOUBLE_EQ((*nearest)[0][1].cosine, 0);
  EXPECT_DOUBLE_EQ((*nearest)[0][2].cosine, -1);
  EXPECT_EQ(Indices((*Nearest(results, 1))[3]), (std::vector<int64_t>{1}));
}

TEST(Nearest, EqualOnesComeInTheirOrder) {
  const std::vector<client::EmbedResult> results(4, Result({1, 2}));
  EXPECT_EQ(Indices((*Nearest(results, 2))[3]), (std::vector<int64_t>{0, 1}));
}

TEST(Nearest, WhatHasNoVectorTakesNoPart) {
  std::vector<client::EmbedResult> results = {Result({1, 0}), {}, Result({1, 1})};
  results[1].status = absl::InvalidArgumentError("too long");
  const auto nearest = Nearest(results, 5);
  EXPECT_EQ(Indices((*nearest)[0]), (std::vector<int64_t>{2}));
  EXPECT_TRUE((*nearest)[1].empty());
}

TEST(Nearest, ZeroAndNaNVectorsHaveCosineZero) {
  const std::vector<client::EmbedResult> results = {
      Result({1, 0}), Result({0, 0}), Result({std::numeric_limits<float>::quiet_NaN(), 1}), Result({-1, 0})};
  const auto nearest = Nearest(results, 3);
  EXPECT_EQ(Indices((*nearest)[0]), (std::vector<int64_t>{1, 2, 3}));
  EXPECT_EQ((*nearest)[0][0].cosine, 0);
}

TEST(Nearest, RefusesMoreThanItCanCompare) {
  const std::vector<client::EmbedResult> results(kMaxNearest + 1);
  EXPECT_TRUE(absl::IsInvalidArgument(Nearest(results, 1).status()));
}

}  // namespace
}  // namespace favor::cli
