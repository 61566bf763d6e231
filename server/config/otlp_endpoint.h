#ifndef FAVOR_SERVER_CONFIG_OTLP_ENDPOINT_H_
#define FAVOR_SERVER_CONFIG_OTLP_ENDPOINT_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace favor {

// Where a collector takes OTLP over gRPC.
struct OtlpEndpoint {
  bool tls = false;
  std::string target;  // host:port
};

// "http://collector:4317" or "https://..."; without a port, 4317. OTLP's own way of writing it, in which the scheme
// says whether there is TLS.
absl::StatusOr<OtlpEndpoint> ParseOtlpEndpoint(absl::string_view text);

}  // namespace favor

#endif  // FAVOR_SERVER_CONFIG_OTLP_ENDPOINT_H_
