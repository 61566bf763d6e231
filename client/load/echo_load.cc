#include "client/load/echo_load.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/load/echo_server.h"
#include "client/transport/borrowed_memory.h"
#include "client/transport/call.h"
#include "client/transport/channel.h"

namespace favor::load {

struct EchoLoad::Connections {
  std::vector<std::shared_ptr<grpc::Channel>> channels;
};

EchoLoad::EchoLoad(const Options& options, std::unique_ptr<Connections> connections)
    : options_(options), connections_(std::move(connections)) {
  request_.resize(std::max<size_t>(options.request_bytes, sizeof(uint64_t)), std::byte{0x5a});
  for (size_t i = 0; i < sizeof(uint64_t); ++i) {
    request_[i] = static_cast<std::byte>(static_cast<uint64_t>(options.response_bytes) >> 8 * i);
  }
}

EchoLoad::~EchoLoad() = default;

absl::StatusOr<std::unique_ptr<EchoLoad>> EchoLoad::Create(const Options& options) {
  client::ClientOptions client_options;
  client_options.endpoint = options.endpoint;
  auto connections = std::make_unique<Connections>();
  for (int i = 0; i < options.num_connections; ++i) {
    absl::StatusOr<std::shared_ptr<grpc::Channel>> channel = client::MakeChannel(client_options);
    if (!channel.ok()) return channel.status();
    connections->channels.push_back(*std::move(channel));
  }
  return std::unique_ptr<EchoLoad>(new EchoLoad(options, std::move(connections)));
}

CallOutcome EchoLoad::Call(int caller) const {
  const auto& channel = connections_->channels[caller % connections_->channels.size()];
  client::BorrowedMemory memory;
  const grpc::Slice slice = memory.Lend(request_);
  grpc::ByteBuffer request(&slice, 1), response;
  const client::CallSettings settings{.api_key = "", .deadline = absl::Now() + options_.deadline};
  const absl::Status status = client::CallUnary(channel, kEchoMethod, settings, request, &response);
  if (!status.ok()) return {status};
  if (static_cast<int64_t>(response.Length()) != options_.response_bytes) {
    return {absl::InternalError(
        absl::StrCat("the echo has ", response.Length(), " bytes, asked for were ", options_.response_bytes))};
  }
  return {.status = absl::OkStatus(),
          .request_bytes = static_cast<int64_t>(request_.size()),
          .response_bytes = options_.response_bytes};
}

}  // namespace favor::load
