#ifndef FAVOR_SERVER_CONFIG_QUANTITY_H_
#define FAVOR_SERVER_CONFIG_QUANTITY_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace favor {

// Values of settings as people write them. Errors tell what was expected.

// "268435456", "256MiB", "1.5 GiB"; KiB, MiB, GiB, TiB, and B. A part of a byte is left out.
absl::StatusOr<int64_t> ParseBytes(absl::string_view text);
// The shortest exact way to write it: "256MiB".
std::string FormatBytes(int64_t bytes);

// "5s", "250ms", "1m30s"; not negative, not infinite.
absl::StatusOr<absl::Duration> ParseDelay(absl::string_view text);

absl::StatusOr<int64_t> ParseInteger(absl::string_view text);

// A number from 0 to 1, in decimal digits.
absl::StatusOr<double> ParseRatio(absl::string_view text);

// A socket to listen on: "host:port", "[::1]:port", or, when it may be one, "unix:/path".
absl::Status CheckAddress(absl::string_view address, bool may_be_unix);

// The path of "unix:/path", which may be written "unix:///path" too; empty where the address is none.
absl::string_view UnixPath(absl::string_view address);

// Whether sockets at both of two addresses that CheckAddress accepts cannot be had, as far as can be told without
// asking for names.
bool Collide(absl::string_view one, absl::string_view other);

// Whether an address that CheckAddress accepts is reached from this machine only.
bool IsOfThisMachine(absl::string_view address);

}  // namespace favor

#endif  // FAVOR_SERVER_CONFIG_QUANTITY_H_
