#ifndef FAVOR_SERVER_SERVICES_STATE_METHODS_H_
#define FAVOR_SERVER_SERVICES_STATE_METHODS_H_

#include <memory>

#include "server/rpc/unary_call.h"
#include "server/services/attention_service.h"

namespace favor {

// Fold, Merge and Read of AttentionService: one call each, from its bytes to its answer. Never block; states and
// tensors are touched on the compute pool only. Messages, states, outputs and scratch memory are admitted before they
// are made.
void Fold(const AttentionDependencies& dependencies, std::shared_ptr<UnaryCall> call);
void Merge(const AttentionDependencies& dependencies, std::shared_ptr<UnaryCall> call);
void Read(const AttentionDependencies& dependencies, std::shared_ptr<UnaryCall> call);

}  // namespace favor

#endif  // FAVOR_SERVER_SERVICES_STATE_METHODS_H_
