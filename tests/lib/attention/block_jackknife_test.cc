#include "favor/attention/block_jackknife.h"

#include <random>
#include <vector>

#include "favor/base/aligned_buffer.h"
#include "gtest/gtest.h"

namespace favor::internal {
namespace {

using kernels::kTile;

// Where two blocks are all, one of them and the whole say as much as both.
TEST(BlockJackknife, ACompleteOneNotesWhatOneThatKeepsBothBlocksDoes) {
  constexpr int64_t kFeatures = 9, kStride = 16;
  std::mt19937 random(3);
  std::uniform_real_distribution<float> positive(0.1f, 1);
  std::vector<float> weights(kFeatures * kTile), values(kFeatures * kStride), key_sums(kFeatures);
  for (std::vector<float>* to : {&weights, &values, &key_sums}) {
    for (float& value : *to) value = positive(random);
  }
  std::vector<std::vector<kernels::RowMoments>> noted;
  for (const bool complete : {false, true}) {
    ScratchLayout size;
    BlockJackknife(kFeatures, kStride, complete, &size);
    const auto memory = AlignedBuffer<float>::AllocateZeroed(size.size()).value();
    ScratchLayout layout(const_cast<float*>(memory.data()));
    BlockJackknife jackknife(kFeatures, kStride, complete, &layout);
    std::vector<float> sums(kTile * kStride), denominators(kTile);
    for (int64_t b = 0; b < BlockJackknife::kNumBlocks; ++b) {
      for (int64_t r = jackknife.Begin(b); r < jackknife.Begin(b + 1); ++r) {
        for (int64_t t = 0; t < kTile; ++t) {
          denominators[t] += weights[r * kTile + t] * key_sums[r];
          for (int64_t n = 0; n < kStride; ++n)
            sums[t * kStride + n] += weights[r * kTile + t] * values[r * kStride + n];
        }
      }
      jackknife.Keep(b, sums.data(), 0, kTile);
    }
    noted.emplace_back(kTile);
    jackknife.Moments(weights.data(), key_sums.data(), sums.data(), denominators.data(), 2, kTile, noted.back().data());
  }
  EXPECT_EQ(noted[1][0].variance, 0);
  for (int64_t t = 2; t < kTile; ++t) {
    EXPECT_GT(noted[0][t].variance, 0);
    EXPECT_NEAR(noted[1][t].variance, noted[0][t].variance, 1e-3 * noted[0][t].variance);
    EXPECT_EQ(noted[1][t].squared_norm, noted[0][t].squared_norm);
  }
}

}  // namespace
}  // namespace favor::internal
