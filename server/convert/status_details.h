#ifndef FAVOR_SERVER_CONVERT_STATUS_DETAILS_H_
#define FAVOR_SERVER_CONVERT_STATUS_DETAILS_H_

#include "absl/status/status.h"
#include "google/rpc/status.pb.h"

namespace favor {

// A status as google.rpc.Status: code, message (at most 1 KiB of it) and details. One about a field carries
// google.rpc.BadRequest, one with a retry delay google.rpc.RetryInfo.
google::rpc::Status ToRpcStatus(const absl::Status& status);

}  // namespace favor

#endif  // FAVOR_SERVER_CONVERT_STATUS_DETAILS_H_
