#ifndef FAVOR_SERVER_SERVICES_EMBEDDING_SERVICE_H_
#define FAVOR_SERVER_SERVICES_EMBEDDING_SERVICE_H_

#include <cstdint>
#include <list>
#include <memory>

#include "favor/v1/embedding.pb.h"
#include "server/execution/admission.h"
#include "server/execution/compute.h"
#include "server/execution/embed_batcher.h"
#include "server/execution/model_registry.h"
#include "server/execution/projection_draws.h"
#include "server/observability/metrics.h"
#include "server/rpc/call.h"
#include "server/rpc/rpc_server.h"
#include "server/rpc/stream_call.h"
#include "server/rpc/unary_call.h"

namespace favor {

// What the methods that embed and tokenise work with; none is owned.
struct EmbeddingDependencies {
  Admission* admission;
  Compute* compute;
  const ModelRegistry* models;
  ProjectionDraws* draws;
  EmbedBatcher* batcher;
  Metrics* metrics;
  int64_t max_message_bytes;  // of responses, and of a prompt in all its inputs
};

// favor.v1.EmbeddingService. Must outlive the server that it is given to.
class EmbeddingService {
 public:
  EmbeddingService(const EmbeddingDependencies& dependencies, const CallObservers& observers);

  RpcServer::Service ForServer();

 private:
  const EmbeddingDependencies dependencies_;
  ByteService service_;
  std::list<UnaryCall::Method> methods_;
  StreamCall::Method embed_stream_;
};

}  // namespace favor

#endif  // FAVOR_SERVER_SERVICES_EMBEDDING_SERVICE_H_
