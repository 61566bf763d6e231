#include "server/services/info_service.h"

#include "server/rpc/protobuf_handler.h"

namespace favor {
namespace {

constexpr char kService[] = "favor.v1.InfoService";

}  // namespace

InfoService::InfoService(const v1::GetServerInfoResponse& info, const CallObservers& observers)
    : get_server_info_{observers.ForMethod(kService, "GetServerInfo", "unary"),
                       UnaryCall::RequestFrom(&service_, &decltype(service_)::RequestGetServerInfo),
                       ProtobufHandler<v1::GetServerInfoRequest, v1::GetServerInfoResponse>(
                           [info](const v1::GetServerInfoRequest&) { return info; })} {}

RpcServer::Service InfoService::ForServer() {
  return {kService, &service_,
          [this](grpc::ServerCompletionQueue* queue) { UnaryCall::ListenFor(&get_server_info_, queue); }};
}

}  // namespace favor
