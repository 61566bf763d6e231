#ifndef FAVOR_SERVER_OBSERVABILITY_GRPC_LOG_H_
#define FAVOR_SERVER_OBSERVABILITY_GRPC_LOG_H_

#include "server/observability/log.h"

namespace favor {

// Sends what gRPC itself logs, errors unless GRPC_VERBOSITY says otherwise, to `log`, as events "grpc"; of errors
// of one place in its code one a second. For the whole process; the log must outlive it or a later call with another
// one.
void SendGrpcLogTo(const Log* log);

}  // namespace favor

#endif  // FAVOR_SERVER_OBSERVABILITY_GRPC_LOG_H_
