#ifndef FAVOR_SERVER_RPC_PROTOBUF_HANDLER_H_
#define FAVOR_SERVER_RPC_PROTOBUF_HANDLER_H_

#include <functional>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "grpcpp/impl/codegen/proto_utils.h"
#include "server/rpc/unary_call.h"

namespace favor {

// Handles a method of small messages with a plain function from message to message, on the completion queue's thread.
template <typename Request, typename Response>
std::function<void(std::shared_ptr<UnaryCall>)> ProtobufHandler(
    std::function<absl::StatusOr<Response>(const Request&)> answer) {
  return [answer = std::move(answer)](std::shared_ptr<UnaryCall> call) {
    Request request;
    grpc::ByteBuffer bytes = call->TakeRequest();
    if (!grpc::SerializationTraits<Request>::Deserialize(&bytes, &request).ok()) {
      return call->Fail(absl::InvalidArgumentError(
          absl::StrCat("the request is no ", Request::descriptor()->name(), ": Protobuf cannot parse it")));
    }
    const absl::StatusOr<Response> response = answer(request);
    if (!response.ok()) return call->Fail(response.status());
    const grpc::Slice slice(response->SerializeAsString());
    call->Reply(grpc::ByteBuffer(&slice, 1));
  };
}

}  // namespace favor

#endif  // FAVOR_SERVER_RPC_PROTOBUF_HANDLER_H_
