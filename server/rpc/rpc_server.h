#ifndef FAVOR_SERVER_RPC_RPC_SERVER_H_
#define FAVOR_SERVER_RPC_RPC_SERVER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/impl/codegen/service_type.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "server/rpc/calls_in_flight.h"
#include "server/rpc/completion_queues.h"
#include "server/rpc/doorkeeper.h"
#include "server/rpc/idle_sweep.h"
#include "server/security/certificates.h"

namespace favor {

struct RpcServerOptions {
  std::vector<std::string> addresses;  // host:port, port 0 picks one; unix:/path
  int64_t max_message_bytes = 0;       // of requests; at most 2 GiB - 1
  int num_queues = 1;
  int max_concurrent_streams = 0;  // per connection
  int64_t max_metadata_bytes = 16 << 10;
  absl::Duration client_idle_timeout;  // of calls; zero: none
  // Of connections; zero for the last five: never, any.
  absl::Duration handshake_timeout = absl::Seconds(10);
  absl::Duration min_ping_interval = absl::Seconds(10);
  absl::Duration keepalive_time;
  absl::Duration keepalive_timeout;
  absl::Duration max_connection_idle;
  absl::Duration max_connection_age;
  absl::Duration max_connection_age_grace;
  // Of the host:port addresses; null: plaintext. See credentials.h.
  const CertificateStore* certificates = nullptr;
  Doorkeeper* doorkeeper = nullptr;  // null: everybody may call
};

// A gRPC server on completion queues, with health, reflection and channelz.
class RpcServer {
 public:
  // Health name that stays SERVING while the server drains, for liveness probes.
  static constexpr char kLivenessName[] = "liveness";

  // A service, and what makes its methods wait for their first calls on a queue. Owned by the caller, must outlive the
  // server.
  struct Service {
    std::string name;  // also its health name
    grpc::Service* service;
    std::function<void(grpc::ServerCompletionQueue*)> listen;
  };

  // Listens and serves; health is NOT_SERVING until SetServing(true). UnavailableError when it cannot listen.
  // `calls_in_flight` and `calls_alive` are those of the services' CallEnvironments.
  static absl::StatusOr<std::unique_ptr<RpcServer>> Start(const RpcServerOptions& options,
                                                          std::vector<Service> services,
                                                          const CallsInFlight* calls_in_flight,
                                                          const CallsInFlight* calls_alive);
  ~RpcServer();

  // Where it listens, in the order of the options, with the ports that were picked.
  const std::vector<std::string>& addresses() const { return addresses_; }

  // Health of "" and of every service.
  void SetServing(bool serving);

  // Refuses new calls and waits for those in flight, at most for `timeout`; `hurry` (polled) ends the wait early. Calls
  // that are left end with UNAVAILABLE, so that their clients go elsewhere. Returns how many those were.
  int64_t Shutdown(absl::Duration timeout, const std::function<bool()>& hurry);

 private:
  RpcServer() = default;

  std::vector<Service> services_;
  const CallsInFlight* calls_in_flight_ = nullptr;
  const CallsInFlight* calls_alive_ = nullptr;
  std::vector<std::string> addresses_;
  std::unique_ptr<CompletionQueues> queues_;
  std::vector<std::shared_ptr<grpc::ServerCredentials>> credentials_;  // asked for as long as the server lives
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<IdleSweep> idle_sweep_;  // null: no timeout
  bool shut_down_ = false;
};

}  // namespace favor

#endif  // FAVOR_SERVER_RPC_RPC_SERVER_H_
