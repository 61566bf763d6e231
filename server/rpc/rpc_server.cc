#include "server/rpc/rpc_server.h"

#include <algorithm>
#include <chrono>
#include <climits>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "grpc/grpc.h"
#include "grpcpp/ext/channelz_service_plugin.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/server_builder.h"
#include "server/config/quantity.h"
#include "server/rpc/credentials.h"
#include "server/rpc/unix_socket.h"

namespace favor {
namespace {

// Calls of one method that may arrive at one queue before its thread asks for more.
constexpr int kWaitingCalls = 4;

// For the last answers to reach their clients.
constexpr absl::Duration kLastAnswers = absl::Seconds(2);

// How often a shutdown looks whether it is to hurry.
constexpr absl::Duration kHurryPeriod = absl::Milliseconds(50);

// Health, reflection and channelz register themselves with every server built after this.
void InitializePluginsOnce() {
  [[maybe_unused]] static const bool initialized = [] {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    grpc::channelz::experimental::InitChannelzService();
    return true;
  }();
}

void SetDuration(grpc::ServerBuilder* builder, const char* argument, absl::Duration value) {
  // An argument of 0 ms would mean at once.
  if (value > absl::ZeroDuration()) {
    builder->AddChannelArgument(argument, static_cast<int>(absl::ToInt64Milliseconds(value)));
  }
}

void ConfigureConnections(const RpcServerOptions& options, grpc::ServerBuilder* builder) {
  builder->AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.max_concurrent_streams);
  builder->AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, static_cast<int>(options.max_metadata_bytes));
  SetDuration(builder, GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, options.handshake_timeout);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS,
                              options.keepalive_time == absl::ZeroDuration()
                                  ? INT_MAX  // gRPC's "never"; without the argument it asks every two hours
                                  : static_cast<int>(absl::ToInt64Milliseconds(options.keepalive_time)));
  SetDuration(builder, GRPC_ARG_KEEPALIVE_TIMEOUT_MS, options.keepalive_timeout);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);  // ours, to idle clients
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                              static_cast<int>(absl::ToInt64Milliseconds(options.min_ping_interval)));
  SetDuration(builder, GRPC_ARG_MAX_CONNECTION_IDLE_MS, options.max_connection_idle);
  SetDuration(builder, GRPC_ARG_MAX_CONNECTION_AGE_MS, options.max_connection_age);
  SetDuration(builder, GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, options.max_connection_age_grace);
}

void Configure(const RpcServerOptions& options, grpc::ServerBuilder* builder) {
  builder->SetMaxReceiveMessageSize(static_cast<int>(options.max_message_bytes));
  builder->SetMaxSendMessageSize(static_cast<int>(options.max_message_bytes));
  ConfigureConnections(options, builder);
  // gRPC checks a compressed message's size only after it has unpacked it, so a small one could take any amount of
  // memory; and tensors do not compress. Such calls answer UNIMPLEMENTED.
  builder->SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
  builder->SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  builder->AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  // A second server on the same port must fail to start, not take half of the connections.
  builder->AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
}

std::string WithPort(const std::string& address, int port) {
  if (!UnixPath(address).empty()) return address;
  return absl::StrCat(address.substr(0, address.rfind(':')), ":", port);
}

}  // namespace

absl::StatusOr<std::unique_ptr<RpcServer>> RpcServer::Start(const RpcServerOptions& options,
                                                            std::vector<Service> services,
                                                            const CallsInFlight* calls_in_flight,
                                                            const CallsInFlight* calls_alive) {
  for (const std::string& address : options.addresses) {
    if (UnixPath(address).empty()) continue;
    if (absl::Status status = CheckNobodyListens(address); !status.ok()) return status;
  }
  InitializePluginsOnce();
  std::unique_ptr<RpcServer> server(new RpcServer);
  server->services_ = std::move(services);
  server->calls_in_flight_ = calls_in_flight;
  server->calls_alive_ = calls_alive;

  grpc::ServerBuilder builder;
  Configure(options, &builder);
  std::vector<int> ports(options.addresses.size(), 0);
  for (size_t i = 0; i < ports.size(); ++i) {
    const bool is_unix = !UnixPath(options.addresses[i]).empty();
    server->credentials_.push_back(MakeCredentials(is_unix ? nullptr : options.certificates, options.doorkeeper));
    builder.AddListeningPort(options.addresses[i], server->credentials_.back(), &ports[i]);
  }
  for (const Service& service : server->services_) builder.RegisterService(service.service);
  server->queues_ = std::make_unique<CompletionQueues>(&builder, options.num_queues);
  server->server_ = builder.BuildAndStart();
  if (server->server_ == nullptr) {
    for (size_t i = 0; i < ports.size(); ++i) {
      if (ports[i] != 0) continue;
      return absl::UnavailableError(
          absl::StrCat("cannot listen on ", options.addresses[i],
                       options.certificates == nullptr ? "" : ": the address, the certificate or its key"));
    }
    return absl::UnavailableError("gRPC cannot start the server");
  }
  for (size_t i = 0; i < ports.size(); ++i) server->addresses_.push_back(WithPort(options.addresses[i], ports[i]));

  server->server_->GetHealthCheckService()->SetServingStatus(kLivenessName, true);
  server->SetServing(false);
  for (const auto& queue : server->queues_->queues()) {
    for (const Service& service : server->services_) {
      for (int i = 0; i < kWaitingCalls; ++i) service.listen(queue.get());
    }
  }
  server->queues_->Start();
  if (options.client_idle_timeout > absl::ZeroDuration()) {
    server->idle_sweep_ = std::make_unique<IdleSweep>(calls_in_flight, options.client_idle_timeout);
  }
  return server;
}

RpcServer::~RpcServer() {
  if (server_ != nullptr && !shut_down_) Shutdown(absl::ZeroDuration(), [] { return true; });
}

void RpcServer::SetServing(bool serving) {
  grpc::HealthCheckServiceInterface* health = server_->GetHealthCheckService();
  health->SetServingStatus("", serving);
  for (const Service& service : services_) health->SetServingStatus(service.name, serving);
}

int64_t RpcServer::Shutdown(absl::Duration timeout, const std::function<bool()>& hurry) {
  shut_down_ = true;
  const bool had_calls = calls_in_flight_->count() > 0;
  const absl::Time deadline = absl::Now() + timeout;
  // Blocks until every connection is closed, so until every call has ended. Its own deadline is later than ours: then
  // it closes connections whatever is on its way over them.
  absl::Notification closed;
  std::thread shutdown([this, deadline, &closed] {
    server_->Shutdown(absl::ToChronoTime(deadline + kLastAnswers));
    closed.Notify();
  });

  bool none_left = false;
  while (!none_left && absl::Now() < deadline && !hurry()) {
    none_left = calls_in_flight_->WaitUntilNone(std::min(deadline, absl::Now() + kHurryPeriod));
  }
  const int64_t num_ended = none_left ? 0 : calls_in_flight_->EndAllEarly();
  // A call has ended when gRPC took its answer, which may still be on its way to the client: cancelling would reset it.
  // On a busy machine some megabytes take more than a quarter of a second. Idle connections would be waited for as
  // well.
  const absl::Duration flush = absl::Milliseconds(had_calls ? 500 : 250);
  closed.WaitForNotificationWithTimeout(flush);
  // What is left now: calls whose end nobody takes, and streams that have no end of their own, as health's Watch.
  grpc_server_cancel_all_calls(server_->c_server());
  shutdown.join();
  calls_alive_->WaitUntilNone(absl::InfiniteFuture());
  idle_sweep_.reset();
  queues_->ShutDown();
  return num_ended;
}

}  // namespace favor
