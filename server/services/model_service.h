#ifndef FAVOR_SERVER_SERVICES_MODEL_SERVICE_H_
#define FAVOR_SERVER_SERVICES_MODEL_SERVICE_H_

#include <list>

#include "favor/v1/model.pb.h"
#include "server/execution/model_registry.h"
#include "server/rpc/call.h"
#include "server/rpc/rpc_server.h"
#include "server/rpc/unary_call.h"

namespace favor {

// favor.v1.ModelService. Must outlive the server that it is given to.
class ModelService {
 public:
  // Does not own the models. Without `admin`, models are listed only.
  ModelService(ModelRegistry* models, bool admin, const CallObservers& observers);

  RpcServer::Service ForServer();

 private:
  ByteService service_;
  std::list<UnaryCall::Method> methods_;
};

}  // namespace favor

#endif  // FAVOR_SERVER_SERVICES_MODEL_SERVICE_H_
