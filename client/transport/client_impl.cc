#include "client/transport/client_impl.h"

#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/transport/borrowed_memory.h"
#include "client/transport/retry.h"

namespace favor::client {
namespace {

// Says how often a call was tried.
absl::Status WithAttempts(const absl::Status& status, int num_attempts) {
  if (status.ok() || num_attempts == 1) return status;
  absl::Status result(status.code(), absl::StrCat(status.message(), " (after ", num_attempts, " attempts)"));
  status.ForEachPayload([&result](absl::string_view url, const absl::Cord& cord) { result.SetPayload(url, cord); });
  return result;
}

}  // namespace

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
  return {options_.api_key, absl::Now() + deadline.value_or(options_.deadline)};
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
  return WithAttempts(status, *num_attempts);
}

absl::Status Client::Impl::Call(const std::string& method, std::optional<absl::Duration> deadline,
                                const MessageBuilder& message,
                                const std::function<absl::Status(absl::string_view response)>& decode,
                                Exchange* exchange) const {
  if (absl::Status status = CheckMessageSize(message.size_bytes()); !status.ok()) return status;
  BorrowedMemory memory;
  grpc::ByteBuffer request = message.Build(&memory);
  Exchange how;
  how.request_bytes = static_cast<int64_t>(message.size_bytes());
  const auto on_response = [&](grpc::ByteBuffer* response, absl::Time start) {
    grpc::Slice slice;
    const absl::StatusOr<absl::string_view> bytes = Flatten(*response, &slice);
    if (!bytes.ok()) return bytes.status();
    const absl::Status status = decode(*bytes);
    how.round_trip = absl::Now() - start;
    how.response_bytes = static_cast<int64_t>(bytes->size());
    return status;
  };
  const absl::Status status = Call(method, Settings(deadline), request, &how.num_attempts, on_response);
  request.Clear();
  memory.AwaitReturn();
  if (exchange != nullptr) *exchange = how;
  return status;
}

}  // namespace favor::client
