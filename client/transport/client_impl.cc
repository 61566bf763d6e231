#include "client/transport/client_impl.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/resume/stream_break.h"
#include "client/transport/borrowed_memory.h"
#include "client/transport/retry.h"

namespace favor::client {
absl::Status CheckMessageSize(uint64_t size_bytes) {
  if (size_bytes <= UINT32_MAX) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the request has ", size_bytes, " bytes, a message has at most ", UINT32_MAX));
}

absl::StatusOr<absl::string_view> Flatten(const grpc::ByteBuffer& buffer, grpc::Slice* slice) {
  if (!buffer.DumpToSingleSlice(slice).ok()) return absl::InternalError("the server's answer cannot be read");
  return absl::string_view(reinterpret_cast<const char*>(slice->begin()), slice->size());
}

Client::Impl::Impl(ClientOptions options, std::shared_ptr<grpc::Channel> channel)
    : options_(std::move(options)), channel_(std::move(channel)) {}

CallSettings Client::Impl::Settings(std::optional<absl::Duration> deadline) const {
  return {options_.api_key, options_.priority, absl::Now() + deadline.value_or(options_.deadline)};
}

absl::Status Client::Impl::Call(
    const std::string& method, const CallSettings& settings, const grpc::ByteBuffer& request, int* num_attempts,
    const std::function<absl::Status(grpc::ByteBuffer* response, absl::Time start)>& on_response) const {
  const auto attempt = [&] {
    const absl::Time start = absl::Now();
    grpc::ByteBuffer response;
    const absl::Status status = CallUnary(channel_, method, settings, request, &response);
    return status.ok() ? on_response(&response, start) : status;
  };
  const absl::Status status = RunWithRetries(options_.retries, settings.deadline, attempt, num_attempts);
  if (status.ok() || *num_attempts == 1) return status;
  return WithText(status, absl::StrCat("after ", *num_attempts, " attempts"));
}

absl::Status Client::Impl::CallWithTensors(
    const std::string& method, std::optional<absl::Duration> deadline, const MessageBuilder& message,
    const std::function<absl::Status(grpc::ByteBuffer* response, absl::Time start)>& on_response,
    Exchange* exchange) const {
  if (absl::Status status = CheckMessageSize(message.size_bytes()); !status.ok()) return status;
  BorrowedMemory memory;
  grpc::ByteBuffer request = message.Build(&memory);
  Exchange how;
  how.request_bytes = static_cast<int64_t>(message.size_bytes());
  const auto measured = [&](grpc::ByteBuffer* response, absl::Time start) {
    how.response_bytes = static_cast<int64_t>(response->Length());
    const absl::Status status = on_response(response, start);
    how.round_trip = absl::Now() - start;
    return status;
  };
  const absl::Status status = Call(method, Settings(deadline), request, &how.num_attempts, measured);
  request.Clear();
  memory.AwaitReturn();
  if (exchange != nullptr) *exchange = how;
  return status;
}

absl::StatusOr<AttendResult> Client::Impl::CallForOutput(
    const std::string& method, std::optional<absl::Duration> deadline, const MessageBuilder& message,
    absl::StatusOr<AttendResult> (*decode)(grpc::ByteBuffer* response)) const {
  AttendResult result;
  Exchange exchange;
  const auto on_response = [&result, decode](grpc::ByteBuffer* response, absl::Time) {
    absl::StatusOr<AttendResult> decoded = decode(response);
    if (decoded.ok()) result = *std::move(decoded);
    return decoded.status();
  };
  const absl::Status status = CallWithTensors(method, deadline, message, on_response, &exchange);
  if (!status.ok()) return status;
  result.round_trip = exchange.round_trip;
  result.num_attempts = exchange.num_attempts;
  result.request_bytes = exchange.request_bytes;
  result.response_bytes = exchange.response_bytes;
  return result;
}

absl::Status Client::Impl::Call(const std::string& method, std::optional<absl::Duration> deadline,
                                const MessageBuilder& message,
                                const std::function<absl::Status(absl::string_view response)>& decode,
                                Exchange* exchange) const {
  const auto on_response = [&decode](grpc::ByteBuffer* response, absl::Time) {
    grpc::Slice slice;
    const absl::StatusOr<absl::string_view> bytes = Flatten(*response, &slice);
    return bytes.ok() ? decode(*bytes) : bytes.status();
  };
  return CallWithTensors(method, deadline, message, on_response, exchange);
}

}  // namespace favor::client
