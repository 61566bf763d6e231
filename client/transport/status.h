#ifndef FAVOR_CLIENT_TRANSPORT_STATUS_H_
#define FAVOR_CLIENT_TRANSPORT_STATUS_H_

#include <grpcpp/support/status.h>
#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace favor::client {

// Same code (the two enumerations agree) and message; every detail of google.rpc.Status becomes a payload. Details that
// cannot be parsed are left out.
absl::Status FromGrpc(const grpc::Status& status);

// The same of a serialised google.rpc.Status. UnknownError for a code that is none.
absl::Status FromStatusMessage(absl::string_view message);

}  // namespace favor::client

#endif  // FAVOR_CLIENT_TRANSPORT_STATUS_H_
