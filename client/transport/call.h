#ifndef FAVOR_CLIENT_TRANSPORT_CALL_H_
#define FAVOR_CLIENT_TRANSPORT_CALL_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/byte_buffer.h>
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/client.h"

namespace favor::client {

// What every call of a client carries.
struct CallSettings {
  std::string api_key;
  std::optional<Priority> priority = std::nullopt;
  absl::Time deadline = absl::InfiniteFuture();
};

void Apply(const CallSettings& settings, grpc::ClientContext* context);

// One attempt of a unary call, `method` as in "/favor.v1.InfoService/GetServerInfo". Blocks; the calling thread itself
// drives the call, since a thread of gRPC's callback interface may sleep 100 ms first. Thread-safe.
absl::Status CallUnary(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                       const CallSettings& settings, const grpc::ByteBuffer& request, grpc::ByteBuffer* response);

// A call with one request and a stream of responses: `on_response` gets each, until it returns false (then OK is
// returned) or the stream ends. Blocks. Thread-safe.
absl::Status CallServerStream(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                              const CallSettings& settings, const grpc::ByteBuffer& request,
                              const std::function<bool(grpc::ByteBuffer*)>& on_response);

}  // namespace favor::client

#endif  // FAVOR_CLIENT_TRANSPORT_CALL_H_
