#ifndef FAVOR_SERVER_SERVICES_TOKENIZE_METHOD_H_
#define FAVOR_SERVER_SERVICES_TOKENIZE_METHOD_H_

#include <memory>

#include "server/rpc/unary_call.h"
#include "server/services/embedding_service.h"

namespace favor {

// One call of EmbeddingService.Tokenize, from its bytes to its answer. Never blocks; text is touched on the compute
// pool only.
void Tokenize(const EmbeddingDependencies& dependencies, std::shared_ptr<UnaryCall> call);

}  // namespace favor

#endif  // FAVOR_SERVER_SERVICES_TOKENIZE_METHOD_H_
