#ifndef FAVOR_CLIENT_TRANSPORT_OPTION_BOUNDS_H_
#define FAVOR_CLIENT_TRANSPORT_OPTION_BOUNDS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace favor::client {

// InvalidArgumentError naming option, value and bound.
absl::Status CheckAtLeast(absl::string_view option, int64_t value, int64_t least);
absl::Status CheckNotNegative(absl::string_view option, absl::Duration value);
absl::Status CheckPositive(absl::string_view option, absl::Duration value);
// Of a std::function that will be called.
absl::Status CheckIsSet(absl::string_view function, bool is_set);

}  // namespace favor::client

#endif  // FAVOR_CLIENT_TRANSPORT_OPTION_BOUNDS_H_
