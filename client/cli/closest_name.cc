#include "client/cli/closest_name.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace favor::cli {
namespace {

// Optimal string alignment distance, by rows of the usual table.
size_t EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> before_last(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    before_last = std::exchange(last, row);
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
  }
  return row[b.size()];
}

}  // namespace

std::string ClosestName(absl::string_view typed, const std::vector<std::string>& names) {
  std::string closest;
  size_t least = std::max<size_t>(1, typed.size() / 3) + 1;
  for (const std::string& name : names) {
    const size_t distance = typed.size() >= 3 && absl::StartsWith(name, typed) ? 1 : EditDistance(typed, name);
    if (distance >= least) continue;
    least = distance;
    closest = name;
  }
  return closest;
}

std::string DidYouMean(absl::string_view typed, const std::vector<std::string>& names, absl::string_view prefix) {
  const std::string closest = ClosestName(typed, names);
  return closest.empty() ? "" : absl::StrCat("; did you mean ", prefix, closest, "?");
}

}  // namespace favor::cli
