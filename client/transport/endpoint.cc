#include "client/transport/endpoint.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace favor::client {
namespace {

constexpr int kMaxPort = 65535;
constexpr char kNoHostPort[] = "must be host:port";
// Their names mean nothing to us.
constexpr absl::string_view kOtherSchemes[] = {
    "unix:", "unix-abstract:", "vsock:", "xds:", "google-c2p:", "google-c2p-experimental:"};

std::string WrongPort(absl::string_view port) {
  int number = 0;
  const bool is_number = std::all_of(port.begin(), port.end(), absl::ascii_isdigit) && absl::SimpleAtoi(port, &number);
  if (is_number && number >= 1 && number <= kMaxPort) return "";
  return absl::StrCat("its port is ", port, ", must be 1 to ", kMaxPort);
}

// What is wrong with one address, if anything.
std::string WrongAddress(absl::string_view address, bool needs_port) {
  const bool in_brackets = absl::StartsWith(address, "[");
  const size_t host_end = in_brackets ? address.find(']') : std::min(address.rfind(':'), address.size());
  if (host_end == address.npos) return kNoHostPort;
  const absl::string_view host = in_brackets ? address.substr(1, host_end - 1) : address.substr(0, host_end);
  absl::string_view port = address.substr(in_brackets ? host_end + 1 : host_end);
  for (const char c : host) {
    if (c >= '\0' && (c <= ' ' || c == '\x7f' || c == '/' || c == ',')) {
      return absl::StrCat("its host has '", absl::CEscape(absl::string_view(&c, 1)), "'");
    }
  }
  if (!in_brackets && absl::StrContains(host, ":")) return "an IPv6 address and its port are written [::1]:50051";
  if (host.empty()) return kNoHostPort;
  if (port.empty()) return needs_port ? kNoHostPort : "";
  if (!absl::ConsumePrefix(&port, ":") || port.empty()) return kNoHostPort;
  return WrongPort(port);
}

}  // namespace

absl::Status CheckEndpoint(absl::string_view endpoint) {
  for (const absl::string_view scheme : kOtherSchemes) {
    if (absl::StartsWith(endpoint, scheme)) return absl::OkStatus();
  }
  std::vector<absl::string_view> addresses = {endpoint};
  bool needs_port = true;
  if (absl::string_view rest = endpoint; absl::ConsumePrefix(&rest, "dns:")) {
    // Behind the server that is to be asked.
    if (absl::ConsumePrefix(&rest, "//")) rest = absl::StrContains(rest, "/") ? rest.substr(rest.find('/') + 1) : "";
    addresses = {rest};
    needs_port = false;
  } else if (absl::ConsumePrefix(&rest, "ipv4:") || absl::ConsumePrefix(&rest, "ipv6:")) {
    addresses = absl::StrSplit(rest, ',');
  }
  for (const absl::string_view address : addresses) {
    const std::string wrong = WrongAddress(address, needs_port);
    if (!wrong.empty()) return absl::InvalidArgumentError(absl::StrCat("endpoint is \"", endpoint, "\": ", wrong));
  }
  return absl::OkStatus();
}

}  // namespace favor::client
