#ifndef FAVOR_SERVER_EXECUTION_PRIORITY_SHARES_H_
#define FAVOR_SERVER_EXECUTION_PRIORITY_SHARES_H_

#include <array>
#include <cmath>
#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"
#include "favor/base/priority.h"

namespace favor {

// By Priority: the share of a bounded resource up to which calls of that priority fill it, those of all others counted.
// What is above is left for the more urgent.
using PriorityShares = std::array<double, kNumPriorities>;
constexpr PriorityShares kWholeShares = {1, 1, 1};

// Rounded up: of a few there is nothing to keep back.
inline int64_t ShareOf(int64_t amount, const PriorityShares& shares, Priority priority) {
  const double share = shares[static_cast<size_t>(priority)];
  return share >= 1 ? amount : static_cast<int64_t>(std::ceil(static_cast<double>(amount) * share));
}

// "low", "normal", "high".
constexpr const char* NameOf(Priority priority) {
  constexpr const char* kNames[kNumPriorities] = {"low", "normal", "high"};
  return kNames[static_cast<size_t>(priority)];
}

// Nullopt when the text is the name of none.
inline std::optional<Priority> ParsePriority(absl::string_view text) {
  for (int i = 0; i < kNumPriorities; ++i) {
    if (text == NameOf(static_cast<Priority>(i))) return static_cast<Priority>(i);
  }
  return std::nullopt;
}

}  // namespace favor

#endif  // FAVOR_SERVER_EXECUTION_PRIORITY_SHARES_H_
