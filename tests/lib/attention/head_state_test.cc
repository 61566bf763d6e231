#include "favor/attention/head_state.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "favor/attention/scratch.h"
#include "favor/base/aligned_buffer.h"
#include "favor/kernels/tile.h"
#include "gtest/gtest.h"

namespace favor {
namespace {

constexpr int64_t kFeatures = 9, kValueDim = 5;

// A state with random sums on random maxima.
struct OwnedState {
  explicit OwnedState(uint64_t seed)
      : memory(*AlignedBuffer<float>::AllocateZeroed(Floats())),
        layout(memory.data()),
        state(kFeatures, kValueDim, &layout) {
    state.Clear(true);
    if (seed == 0) return;  // stays empty
    std::mt19937_64 random(seed);
    std::normal_distribution<float> normal;
    for (int64_t r = 0; r < kFeatures; ++r) {
      state.maxima[r] = std::nearbyint(10 * normal(random));
      state.key_sums[r] = 1 + std::abs(normal(random));
      state.key_compensation[r] = 1e-8f * normal(random);
      for (int64_t n = 0; n < kValueDim; ++n) {
        state.value_sums[r * state.value_stride() + n] = normal(random);
        state.value_compensation[r * state.value_stride() + n] = 3e-8f * normal(random);
      }
    }
    for (int64_t n = 0; n < kValueDim; ++n) state.total[n] = normal(random);
    state.count = 1 + seed;
    state.stabiliser = normal(random);
  }
  static int64_t Floats() {
    internal::ScratchLayout count;
    HeadState(kFeatures, kValueDim, &count);
    return count.size();
  }
  bool SameBits(const OwnedState& other) const {
    return state.count == other.state.count && state.stabiliser == other.state.stabiliser &&
           std::memcmp(memory.data(), other.memory.data(), memory.size() * sizeof(float)) == 0;
  }
  double Value(int64_t r, int64_t n) const {
    const int64_t i = r * state.value_stride() + n;
    return std::ldexp(static_cast<double>(state.value_sums[i]) - state.value_compensation[i], state.maxima[r]);
  }
  AlignedBuffer<float> memory;
  internal::ScratchLayout layout;
  HeadState state;
};

TEST(HeadState, AppendingAddsTheSumsOfBothOnAnyMaxima) {
  OwnedState a(1), b(2);
  const OwnedState a0(1), b0(2);
  a.state.Append(&b.state);
  for (int64_t r = 0; r < kFeatures; ++r) {
    for (int64_t n = 0; n < kValueDim; ++n) {
      const double exact = a0.Value(r, n) + b0.Value(r, n);
      EXPECT_NEAR(a.Value(r, n), exact, 1e-7 * (std::abs(a0.Value(r, n)) + std::abs(b0.Value(r, n))));
    }
  }
  EXPECT_EQ(a.state.count, a0.state.count + b0.state.count);
  EXPECT_EQ(a.state.stabiliser, std::max(a0.state.stabiliser, b0.state.stabiliser));
}

void Merge(const HeadState& other, HeadState* into) {
  into->MergeFeatures(other, 0, 4);  // in two steps
  into->MergeFeatures(other, 4, kFeatures);
  into->MergeTotals(other);
}

TEST(HeadState, MergingAddsTheSumsOfBothOnAnyMaxima) {
  OwnedState a(1);
  const OwnedState a0(1), b(2);
  Merge(b.state, &a.state);
  for (int64_t r = 0; r < kFeatures; ++r) {
    for (int64_t n = 0; n < kValueDim; ++n) {
      const double exact = a0.Value(r, n) + b.Value(r, n);
      EXPECT_NEAR(a.Value(r, n), exact, 1e-12 * (std::abs(a0.Value(r, n)) + std::abs(b.Value(r, n))));
    }
  }
  EXPECT_EQ(a.state.count, a0.state.count + b.state.count);
  EXPECT_EQ(a.state.stabiliser, std::max(a0.state.stabiliser, b.state.stabiliser));
}

TEST(HeadState, MergingIsCommutativeBitForBit) {
  for (uint64_t seed = 3; seed < 40; seed += 2) {
    OwnedState a(seed), b(seed + 1);
    const OwnedState a0(seed), b0(seed + 1);
    Merge(b0.state, &a.state);
    Merge(a0.state, &b.state);
    EXPECT_TRUE(a.SameBits(b)) << seed;
  }
}

TEST(HeadState, AnEmptyStateIsNeutralBitForBit) {
  for (const bool empty_first : {false, true}) {
    OwnedState full(5), empty(0);
    const OwnedState before(5);
    OwnedState& into = empty_first ? empty : full;
    Merge(empty_first ? full.state : empty.state, &into.state);
    EXPECT_TRUE(into.SameBits(before));
  }
}

TEST(HeadState, ShiftingAndShiftingBackChangesNothing) {
  OwnedState a(6);
  const OwnedState before(6);
  std::vector<float> down(kFeatures, -17), up(kFeatures, 17);
  a.state.Shift(0, kFeatures, down.data());
  EXPECT_EQ(a.state.key_sums[0], std::ldexp(before.state.key_sums[0], -17));
  a.state.Shift(0, kFeatures, up.data());
  for (int64_t r = 0; r < kFeatures; ++r) {
    EXPECT_EQ(a.state.key_sums[r], before.state.key_sums[r]);
    for (int64_t n = 0; n < kValueDim; ++n) EXPECT_EQ(a.Value(r, n), before.Value(r, n));
  }
}

TEST(HeadState, NormalisingTurnsSumsIntoAverages) {
  OwnedState a(7);
  const OwnedState before(7);
  a.state.Normalise();
  const int64_t stride = a.state.value_stride();
  for (int64_t r = 0; r < kFeatures; ++r) {
    EXPECT_EQ(a.state.maxima[r], 0);
    EXPECT_EQ(a.state.key_sums[r], 1);
    EXPECT_EQ(a.state.value_sums[r * stride], before.state.value_sums[r * stride] / before.state.key_sums[r]);
  }
}

}  // namespace
}  // namespace favor
