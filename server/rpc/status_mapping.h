#ifndef FAVOR_SERVER_RPC_STATUS_MAPPING_H_
#define FAVOR_SERVER_RPC_STATUS_MAPPING_H_

#include "absl/status/status.h"
#include "grpcpp/support/status.h"

namespace favor {

// The one place where a status of ours becomes gRPC's: same code, same message. A status about a field carries
// google.rpc.BadRequest, one with a retry delay google.rpc.RetryInfo, in grpc-status-details-bin.
grpc::Status ToGrpcStatus(const absl::Status& status);

}  // namespace favor

#endif  // FAVOR_SERVER_RPC_STATUS_MAPPING_H_
