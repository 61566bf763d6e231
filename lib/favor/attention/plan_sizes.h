#ifndef FAVOR_ATTENTION_PLAN_SIZES_H_
#define FAVOR_ATTENTION_PLAN_SIZES_H_

#include <cstdint>

namespace favor::internal {

// About a millisecond on one core: long against the pool's overhead, short against what users notice.
constexpr int64_t kStepFlops = 64'000'000;

// Enough chains for the cores of one socket; fewer would leave some idle, many more would cost merges and packing.
constexpr int64_t kTargetChains = 32;

constexpr int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_PLAN_SIZES_H_
