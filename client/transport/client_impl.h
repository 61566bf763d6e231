#ifndef FAVOR_CLIENT_TRANSPORT_CLIENT_IMPL_H_
#define FAVOR_CLIENT_TRANSPORT_CLIENT_IMPL_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <grpcpp/channel.h>
#include <grpcpp/support/byte_buffer.h>
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/client.h"
#include "client/transport/call.h"
#include "client/wire/message_builder.h"

namespace favor::client {

// What the methods of Client share. Thread-safe.
class Client::Impl {
 public:
  Impl(ClientOptions options, std::shared_ptr<grpc::Channel> channel);

  // `deadline` unset: that of the client.
  CallSettings Settings(std::optional<absl::Duration> deadline = std::nullopt) const;
  const std::string& endpoint() const { return options_.endpoint; }
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

  // A unary call with retries. `on_response` runs for the attempt that succeeds, which began at `start`.
  absl::Status Call(const std::string& method, const CallSettings& settings, const grpc::ByteBuffer& request,
                    int* num_attempts,
                    const std::function<absl::Status(grpc::ByteBuffer* response, absl::Time start)>& on_response) const;

  // How a call went that succeeded.
  struct Exchange {
    absl::Duration round_trip;  // of the last attempt, encoding and decoding included
    int num_attempts = 0;
    int64_t request_bytes = 0;
    int64_t response_bytes = 0;
  };
  // The same for a request put together from pieces, whose memory nothing reads any more after the call.
  absl::Status CallWithTensors(
      const std::string& method, std::optional<absl::Duration> deadline, const MessageBuilder& message,
      const std::function<absl::Status(grpc::ByteBuffer* response, absl::Time start)>& on_response,
      Exchange* exchange = nullptr) const;
  // The same for answers that are an output and a report.
  absl::StatusOr<AttendResult> CallForOutput(const std::string& method, std::optional<absl::Duration> deadline,
                                             const MessageBuilder& message,
                                             absl::StatusOr<AttendResult> (*decode)(grpc::ByteBuffer* response)) const;
  // The same; `decode` gets the answer's bytes in one piece, which lasts as long as it runs.
  absl::Status Call(const std::string& method, std::optional<absl::Duration> deadline, const MessageBuilder& message,
                    const std::function<absl::Status(absl::string_view response)>& decode,
                    Exchange* exchange = nullptr) const;

 private:
  const ClientOptions options_;
  const std::shared_ptr<grpc::Channel> channel_;
};

// InvalidArgumentError for a message that gRPC cannot carry: it puts the length before it in 4 bytes.
absl::Status CheckMessageSize(uint64_t size_bytes);

// The bytes of a message in one piece, valid as long as `slice`. InternalError when they cannot be read.
absl::StatusOr<absl::string_view> Flatten(const grpc::ByteBuffer& buffer, grpc::Slice* slice);

}  // namespace favor::client

#endif  // FAVOR_CLIENT_TRANSPORT_CLIENT_IMPL_H_
