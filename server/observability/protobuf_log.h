#ifndef FAVOR_SERVER_OBSERVABILITY_PROTOBUF_LOG_H_
#define FAVOR_SERVER_OBSERVABILITY_PROTOBUF_LOG_H_

#include "server/observability/log.h"

namespace favor {

// Sends what Protobuf logs to `log`, as events "protobuf". What it has against a message that came is for whoever sent
// it, who gets an answer, and only debug here: nobody may fill the log from outside. For the whole process, to be
// called before there are other threads; the log must outlive it.
void SendProtobufLogTo(const Log* log);

}  // namespace favor

#endif  // FAVOR_SERVER_OBSERVABILITY_PROTOBUF_LOG_H_
