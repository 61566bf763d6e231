#include "client/transport/option_bounds.h"

#include "absl/strings/str_cat.h"

namespace favor::client {

absl::Status CheckAtLeast(absl::string_view option, int64_t value, int64_t least) {
  if (value >= least) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(option, " is ", value, ", the least is ", least));
}

absl::Status CheckNotNegative(absl::string_view option, absl::Duration value) {
  if (value >= absl::ZeroDuration()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(option, " is ", absl::FormatDuration(value), ", the least is 0"));
}

absl::Status CheckPositive(absl::string_view option, absl::Duration value) {
  if (value > absl::ZeroDuration()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(option, " is ", absl::FormatDuration(value), ", it must be positive"));
}

absl::Status CheckIsSet(absl::string_view function, bool is_set) {
  if (is_set) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("the function ", function, " is unset"));
}

}  // namespace favor::client
