#ifndef FAVOR_SERVER_SERVICES_INFO_SERVICE_H_
#define FAVOR_SERVER_SERVICES_INFO_SERVICE_H_

#include "favor/v1/info.pb.h"
#include "server/rpc/call.h"
#include "server/rpc/rpc_server.h"
#include "server/rpc/unary_call.h"

namespace favor {

// favor.v1.InfoService: facts that do not change while the server runs. Must outlive the server that it is given to.
class InfoService {
 public:
  InfoService(const v1::GetServerInfoResponse& info, const CallObservers& observers);

  RpcServer::Service ForServer();

 private:
  ByteService service_;
  UnaryCall::Method get_server_info_;
};

}  // namespace favor

#endif  // FAVOR_SERVER_SERVICES_INFO_SERVICE_H_
