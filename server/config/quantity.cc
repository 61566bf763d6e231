#include "server/config/quantity.h"

#include <sys/un.h>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace favor {
namespace {

struct Unit {
  absl::string_view name;
  int64_t bytes;
};

constexpr absl::string_view kUnixPrefix = "unix:";
constexpr size_t kMaxUnixPath = sizeof(sockaddr_un::sun_path) - 1;

constexpr Unit kUnits[] = {{"TiB", int64_t{1} << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}};

absl::Status Expected(absl::string_view text, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("'", text, "' is not ", what));
}

// Not the hexadecimal digits that Abseil takes too.
bool ParseDecimal(absl::string_view text, double* value) {
  return text.find_first_of("xX") == absl::string_view::npos && absl::SimpleAtod(text, value);
}

bool IsOfAllInterfaces(absl::string_view host) { return host == "0.0.0.0" || host == "[::]"; }

}  // namespace

absl::StatusOr<int64_t> ParseBytes(absl::string_view text) {
  constexpr char kWhat[] = "a number of bytes such as 1048576, 256MiB or 1.5GiB";
  absl::string_view number = text;
  int64_t unit_bytes = 1;
  for (const Unit& unit : kUnits) {
    if (!absl::EndsWith(number, unit.name)) continue;
    number.remove_suffix(unit.name.size());
    unit_bytes = unit.bytes;
    break;
  }
  double value = 0;
  if (!ParseDecimal(absl::StripAsciiWhitespace(number), &value)) return Expected(text, kWhat);
  const double bytes = value * static_cast<double>(unit_bytes);
  // Doubles are exact up to 2^53, far beyond any memory.
  if (!(bytes >= 0 && bytes < 9e15)) return Expected(text, kWhat);
  return static_cast<int64_t>(bytes);
}

std::string FormatBytes(int64_t bytes) {
  for (const Unit& unit : kUnits) {
    if (unit.bytes > 1 && bytes > 0 && bytes % unit.bytes == 0) return absl::StrCat(bytes / unit.bytes, unit.name);
  }
  return absl::StrCat(bytes);
}

absl::StatusOr<absl::Duration> ParseDelay(absl::string_view text) {
  absl::Duration delay;
  if (!absl::ParseDuration(text, &delay) || delay < absl::ZeroDuration() || delay == absl::InfiniteDuration()) {
    return Expected(text, "a duration such as 5s, 250ms or 1m30s");
  }
  return delay;
}

absl::StatusOr<int64_t> ParseInteger(absl::string_view text) {
  int64_t value = 0;
  if (!absl::SimpleAtoi(text, &value)) return Expected(text, "an integer");
  return value;
}

absl::StatusOr<double> ParseRatio(absl::string_view text) {
  double ratio = -1;
  if (ParseDecimal(text, &ratio) && ratio >= 0 && ratio <= 1) return ratio;
  return absl::InvalidArgumentError(absl::StrCat("'", text, "' is no number from 0 to 1"));
}

absl::Status CheckAddress(absl::string_view address, bool may_be_unix) {
  if (may_be_unix && absl::StartsWith(address, kUnixPrefix)) {
    const size_t length = UnixPath(address).size();
    if (length == 0) return Expected(address, "unix:/path");
    if (length <= kMaxUnixPath) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("the path of '", address, "' has ", length, " bytes, at most ", kMaxUnixPath, " can be had"));
  }
  const size_t colon = address.rfind(':');
  int32_t port = -1;
  const bool has_port = colon != absl::string_view::npos && colon > 0 &&
                        absl::SimpleAtoi(address.substr(colon + 1), &port) && port >= 0 && port <= 65535;
  if (!has_port) return Expected(address, may_be_unix ? "host:port or unix:/path" : "host:port");
  const absl::string_view host = address.substr(0, colon);
  const bool in_brackets = host.front() == '[' && host.back() == ']';
  if (absl::StrContains(host, ':') && !in_brackets) return Expected(address, "[address]:port, as IPv6 needs it");
  return absl::OkStatus();
}

absl::string_view UnixPath(absl::string_view address) {
  if (!absl::ConsumePrefix(&address, kUnixPrefix)) return {};
  if (absl::StartsWith(address, "///")) address.remove_prefix(2);
  return address;
}

bool Collide(absl::string_view one, absl::string_view other) {
  if (one == other) return !absl::EndsWith(one, ":0");  // port 0 picks another one
  if (absl::StartsWith(one, kUnixPrefix) || absl::StartsWith(other, kUnixPrefix)) return false;
  const size_t one_colon = one.rfind(':'), other_colon = other.rfind(':');
  const absl::string_view port = one.substr(one_colon);
  if (port != other.substr(other_colon) || port == ":0") return false;
  return IsOfAllInterfaces(one.substr(0, one_colon)) || IsOfAllInterfaces(other.substr(0, other_colon));
}

bool IsOfThisMachine(absl::string_view address) {
  for (const absl::string_view prefix : {"unix:", "127.", "localhost:", "[::1]:", "[::ffff:127."}) {
    if (absl::StartsWith(address, prefix)) return true;
  }
  return false;
}

}  // namespace favor
