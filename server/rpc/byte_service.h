#ifndef FAVOR_SERVER_RPC_BYTE_SERVICE_H_
#define FAVOR_SERVER_RPC_BYTE_SERVICE_H_

#include <functional>
#include <list>
#include <string>

#include "absl/strings/string_view.h"
#include "grpcpp/impl/service_type.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/async_stream.h"
#include "grpcpp/support/byte_buffer.h"

namespace favor {

// A service whose messages stay bytes, and whose calls arrive with their headers. To gRPC every method is a stream,
// unary ones too: of those it would hand over a call only once its message is there, read and in memory, however full
// the server is. Clients see no difference. Must outlive the server that it is registered with.
class ByteService : public grpc::Service {
 public:
  using Stream = grpc::ServerAsyncReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>;
  // Asks gRPC for the next call of a method; `tag` comes back on the queue when there is one.
  using RequestFunction = std::function<void(grpc::ServerContext*, Stream*, grpc::ServerCompletionQueue*, void* tag)>;

  // `name` is the full one, "favor.v1.AttentionService".
  explicit ByteService(absl::string_view name) : name_(name) {}

  // Adds a method, "Attend"; before the service is registered.
  RequestFunction Add(absl::string_view method);

 private:
  const std::string name_;
  std::list<std::string> paths_;  // gRPC keeps pointers to them
};

}  // namespace favor

#endif  // FAVOR_SERVER_RPC_BYTE_SERVICE_H_
