#ifndef FAVOR_CLIENT_TRANSPORT_STATUS_H_
#define FAVOR_CLIENT_TRANSPORT_STATUS_H_

#include <grpcpp/support/status.h>
#include "absl/status/status.h"

namespace favor::client {

// Same code (the two enumerations agree) and message; every detail of google.rpc.Status becomes a payload. Details that
// cannot be parsed are left out.
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace favor::client

#endif  // FAVOR_CLIENT_TRANSPORT_STATUS_H_
