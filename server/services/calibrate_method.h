#ifndef FAVOR_SERVER_SERVICES_CALIBRATE_METHOD_H_
#define FAVOR_SERVER_SERVICES_CALIBRATE_METHOD_H_

#include <memory>

#include "server/rpc/unary_call.h"
#include "server/services/attention_service.h"

namespace favor {

// AttentionService.Calibrate: a sample of queries and keys to statistics, measured on the compute pool.
void Calibrate(const AttentionDependencies& dependencies, std::shared_ptr<UnaryCall> call);

}  // namespace favor

#endif  // FAVOR_SERVER_SERVICES_CALIBRATE_METHOD_H_
