#ifndef FAVOR_CLIENT_CLI_CLOSEST_NAME_H_
#define FAVOR_CLIENT_CLI_CLOSEST_NAME_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace favor::cli {

// The name that was probably meant by `typed`: the one with the fewest single-letter edits (swaps of neighbours count
// as one), or that `typed` begins; empty when none is close.
std::string ClosestName(absl::string_view typed, const std::vector<std::string>& names);

// "; did you mean --kernel?" with `prefix` "--", or nothing.
std::string DidYouMean(absl::string_view typed, const std::vector<std::string>& names, absl::string_view prefix = "");

}  // namespace favor::cli

#endif  // FAVOR_CLIENT_CLI_CLOSEST_NAME_H_
