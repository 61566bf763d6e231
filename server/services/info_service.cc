#include "server/services/info_service.h"

#include "server/rpc/protobuf_handler.h"

namespace favor {
namespace {

constexpr char kService[] = "favor.v1.InfoService";

}  // namespace

InfoService::InfoService(const v1::GetServerInfoResponse& info, const CallObservers& observers)
    : service_(kService),
      get_server_info_{observers.ForMethod(kService, "GetServerInfo", "unary"), service_.Add("GetServerInfo"),
                       ProtobufHandler<v1::GetServerInfoRequest, v1::GetServerInfoResponse>(
                           [info](const v1::GetServerInfoRequest&) { return info; })} {}

RpcServer::Service InfoService::ForServer() {
  return {kService, &service_,
          [this](grpc::ServerCompletionQueue* queue) { UnaryCall::ListenFor(&get_server_info_, queue); }};
}

}  // namespace favor
