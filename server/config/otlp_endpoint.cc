#include "server/config/otlp_endpoint.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/config/quantity.h"

namespace favor {

absl::StatusOr<OtlpEndpoint> ParseOtlpEndpoint(absl::string_view text) {
  OtlpEndpoint endpoint;
  absl::string_view rest = text;
  endpoint.tls = absl::ConsumePrefix(&rest, "https://");
  if (!endpoint.tls && !absl::ConsumePrefix(&rest, "http://")) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", text, "' must begin with http:// (no TLS) or https://, as http://collector:4317 does"));
  }
  absl::ConsumeSuffix(&rest, "/");
  if (absl::StrContains(rest, '/')) {
    return absl::InvalidArgumentError(absl::StrCat("'", text, "' has a path, which OTLP over gRPC has no use for"));
  }
  // Of an IPv6 address in brackets the last colon may be inside.
  const size_t colon = rest.rfind(':'), bracket = rest.rfind(']');
  const bool has_port = colon != rest.npos && (bracket == rest.npos || colon > bracket);
  endpoint.target = has_port ? std::string(rest) : absl::StrCat(rest, ":4317");
  if (absl::Status status = CheckAddress(endpoint.target, /*may_be_unix=*/false); !status.ok()) return status;
  return endpoint;
}

}  // namespace favor
