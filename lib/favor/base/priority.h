#ifndef FAVOR_BASE_PRIORITY_H_
#define FAVOR_BASE_PRIORITY_H_

#include <cstdint>

namespace favor {

// How urgent work is to its caller, the least first.
enum class Priority : uint8_t { kLow, kNormal, kHigh };
constexpr int kNumPriorities = 3;

}  // namespace favor

#endif  // FAVOR_BASE_PRIORITY_H_
