#ifndef FAVOR_CLIENT_TRANSPORT_ENDPOINT_H_
#define FAVOR_CLIENT_TRANSPORT_ENDPOINT_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace favor::client {

// InvalidArgumentError for what is no host:port and no name in one of gRPC's schemes, or has a port that there is not.
// gRPC itself takes a port of a name modulo 65536, and 443 for one that is missing: another server may answer.
absl::Status CheckEndpoint(absl::string_view endpoint);

}  // namespace favor::client

#endif  // FAVOR_CLIENT_TRANSPORT_ENDPOINT_H_
