#ifndef FAVOR_CLIENT_TRANSPORT_CHANNEL_H_
#define FAVOR_CLIENT_TRANSPORT_CHANNEL_H_

#include <memory>

#include <grpcpp/channel.h>
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/client.h"

namespace favor::client {

// A channel to the endpoint of `options`. Files are read now. Errors as Client::Connect.
absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(const ClientOptions& options);

// Whether an endpoint names this very machine: such a connection never goes through a proxy.
bool IsLocal(absl::string_view endpoint);

}  // namespace favor::client

#endif  // FAVOR_CLIENT_TRANSPORT_CHANNEL_H_
