#ifndef FAVOR_SERVER_SERVICES_ATTEND_STREAM_METHOD_H_
#define FAVOR_SERVER_SERVICES_ATTEND_STREAM_METHOD_H_

#include <memory>

#include "server/rpc/stream_call.h"
#include "server/services/attention_service.h"

namespace favor {

// One stream of AttentionService.AttendStream, from its start to its end. Never blocks; tensors and states are touched
// on the compute pool only.
//
// Messages take effect one after the other. While one is computed and its answer sent, the next is read, and no more:
// a stream holds its state, two messages and an answer, all of it in the memory budget.
void AttendStream(const AttentionDependencies& dependencies, std::shared_ptr<StreamCall> call);

}  // namespace favor

#endif  // FAVOR_SERVER_SERVICES_ATTEND_STREAM_METHOD_H_
