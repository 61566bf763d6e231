#include "favor/model/token_blocks.h"

#include <algorithm>
#include <random>
#include <vector>

#include "favor/kernels/tile.h"
#include "favor/model/dense_layer.h"
#include "gtest/gtest.h"

namespace favor {
namespace {

TEST(TokenBlocks, NeverTakeMoreColumnsThanTheirBound) {
  for (int64_t n = 1; n < 5000; ++n) {
    for (const int64_t flops : {1'000, 3'000'000, 20'000'000}) {
      for (const auto few : {TokenBlocks::Few::kInSmallBlocks, TokenBlocks::Few::kByRows}) {
        const TokenBlocks blocks(n, flops, few);
        ASSERT_LE(blocks.num_blocks() * blocks.tiles_per_block() * kernels::kTile, TokenBlocks::MostColumns(n)) << n;
        ASSERT_LE(blocks.tiles_per_block(),
                  blocks.num_row_parts() > 1 ? TokenBlocks::kMostSharedTiles : TokenBlocks::kMostTiles);
      }
    }
  }
}

// A server of many threads would leave most of them idle beside one query.
TEST(TokenBlocks, OfFewTokensHaveWorkForSeveralThreads) {
  for (const int64_t n : {1, 16, 48, 144, 384}) {
    const TokenBlocks blocks(n, 10'000'000, TokenBlocks::Few::kByRows);
    EXPECT_EQ(blocks.num_blocks(), 1) << n;
    EXPECT_GE(blocks.num_row_parts(), 8) << n;
  }
  const TokenBlocks many(385, 10'000'000, TokenBlocks::Few::kByRows);
  EXPECT_EQ(many.num_row_parts(), 1);
  EXPECT_GE(many.num_blocks(), 8);
}

// Also where there are fewer panels than parts.
TEST(DenseLayer, GivesTheSameBitsInPartsOfItsRows) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  constexpr int64_t kDepth = 70, kTokens = 50;
  for (const int64_t rows : {1, 6, 40, 300}) {
    std::vector<float> weights(rows * kDepth), bias(rows);
    for (std::vector<float>* values : {&weights, &bias})
      std::generate(values->begin(), values->end(), [&] { return normal(random); });
    const DenseLayer layer = DenseLayer::Create(weights, bias, rows, kDepth).value();
    std::vector<float> x(2 * kDepth * kernels::kTile), start(2 * layer.padded_rows() * kernels::kTile);
    for (std::vector<float>* values : {&x, &start})
      std::generate(values->begin(), values->end(), [&] { return normal(random); });
    for (const bool add : {false, true}) {
      std::vector<float> whole = start, divided = start;
      const auto apply = [&](RowPart part, std::vector<float>* y) {
        layer.Apply({x.data(), kDepth, kTokens}, kernels::Activation::kGelu, add,
                    {y->data(), layer.padded_rows(), kTokens}, part);
      };
      apply({}, &whole);
      for (int64_t part = 8; part-- > 0;) apply({part, 8}, &divided);
      EXPECT_EQ(divided, whole) << rows << " rows";
    }
  }
}

}  // namespace
}  // namespace favor
