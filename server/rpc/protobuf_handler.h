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

// Fields that nobody knows take forty times their bytes when they are parsed, and that is outside admission.
constexpr int64_t kMaxSmallRequestBytes = 64 << 10;

// Handles a method of small messages with a function that takes the request, on the completion queue's thread, and a
// callback for the answer, which may come from any thread.
template <typename Request, typename Response>
std::function<void(std::shared_ptr<UnaryCall>)> AsyncProtobufHandler(
    std::function<void(const Request&, std::function<void(absl::StatusOr<Response>)>)> answer) {
  return [answer = std::move(answer)](std::shared_ptr<UnaryCall> call) {
    Request request;
    if (call->request_bytes() > kMaxSmallRequestBytes) {
      return call->Fail(absl::InvalidArgumentError(absl::StrCat("the request has ", call->request_bytes(), " bytes, a ",
                                                                Request::descriptor()->name(), " has at most ",
                                                                kMaxSmallRequestBytes)));
    }
    grpc::ByteBuffer bytes = call->TakeRequest();
    if (!grpc::SerializationTraits<Request>::Deserialize(&bytes, &request).ok()) {
      return call->Fail(absl::InvalidArgumentError(
          absl::StrCat("the request is no ", Request::descriptor()->name(), ": Protobuf cannot parse it")));
    }
    answer(request, [call](absl::StatusOr<Response> response) {
      if (!response.ok()) return call->Fail(response.status());
      const grpc::Slice slice(response->SerializeAsString());
      call->Reply(grpc::ByteBuffer(&slice, 1));
    });
  };
}

// The same with a plain function from message to message.
template <typename Request, typename Response>
std::function<void(std::shared_ptr<UnaryCall>)> ProtobufHandler(
    std::function<absl::StatusOr<Response>(const Request&)> answer) {
  return AsyncProtobufHandler<Request, Response>(
      [answer = std::move(answer)](const Request& request, std::function<void(absl::StatusOr<Response>)> reply) {
        reply(answer(request));
      });
}

}  // namespace favor

#endif  // FAVOR_SERVER_RPC_PROTOBUF_HANDLER_H_
