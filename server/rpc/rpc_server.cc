#include "server/rpc/rpc_server.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "grpc/grpc.h"
#include "grpcpp/ext/channelz_service_plugin.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"

namespace favor {
namespace {

constexpr char kUnixPrefix[] = "unix:";

// Calls of one method that may arrive at one queue before its thread asks for more.
constexpr int kWaitingCalls = 4;

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

std::shared_ptr<grpc::ServerCredentials> CredentialsOf(const RpcServerOptions& options) {
  if (options.tls_certificate.empty()) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions ssl;
  ssl.pem_key_cert_pairs.push_back({options.tls_key, options.tls_certificate});
  if (!options.tls_client_ca.empty()) {
    ssl.pem_root_certs = options.tls_client_ca;
    ssl.client_certificate_request = GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
  }
  return grpc::SslServerCredentials(ssl);
}

void Configure(const RpcServerOptions& options, grpc::ServerBuilder* builder) {
  builder->SetMaxReceiveMessageSize(static_cast<int>(options.max_message_bytes));
  builder->SetMaxSendMessageSize(static_cast<int>(options.max_message_bytes));
  builder->AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.max_concurrent_streams);
  // gRPC checks a compressed message's size only after it has unpacked it, so a small one could take any amount of
  // memory; and tensors do not compress. Such calls answer UNIMPLEMENTED.
  builder->SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
  builder->SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  builder->AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  // A second server on the same port must fail to start, not take half of the connections.
  builder->AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
}

std::string WithPort(const std::string& address, int port) {
  if (absl::StartsWith(address, kUnixPrefix)) return address;
  return absl::StrCat(address.substr(0, address.rfind(':')), ":", port);
}

}  // namespace

absl::StatusOr<std::unique_ptr<RpcServer>> RpcServer::Start(const RpcServerOptions& options,
                                                            std::vector<Service> services,
                                                            const CallsInFlight* calls_in_flight,
                                                            const CallsInFlight* calls_alive) {
  InitializePluginsOnce();
  std::unique_ptr<RpcServer> server(new RpcServer);
  server->services_ = std::move(services);
  server->calls_in_flight_ = calls_in_flight;
  server->calls_alive_ = calls_alive;

  grpc::ServerBuilder builder;
  Configure(options, &builder);
  std::vector<int> ports(options.addresses.size(), 0);
  for (size_t i = 0; i < ports.size(); ++i) {
    const bool is_unix = absl::StartsWith(options.addresses[i], kUnixPrefix);
    builder.AddListeningPort(options.addresses[i], is_unix ? grpc::InsecureServerCredentials() : CredentialsOf(options),
                             &ports[i]);
  }
  for (const Service& service : server->services_) builder.RegisterService(service.service);
  server->queues_ = std::make_unique<CompletionQueues>(&builder, options.num_queues);
  server->server_ = builder.BuildAndStart();
  if (server->server_ == nullptr) {
    for (size_t i = 0; i < ports.size(); ++i) {
      if (ports[i] != 0) continue;
      return absl::UnavailableError(
          absl::StrCat("cannot listen on ", options.addresses[i],
                       options.tls_certificate.empty() ? "" : ": the address, the certificate or its key"));
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
  // Blocks until every connection is closed, so until every call has ended.
  absl::Notification closed;
  std::thread shutdown([this, deadline, &closed] {
    server_->Shutdown(absl::ToChronoTime(deadline));
    closed.Notify();
  });

  bool none_left = false;
  while (!none_left && absl::Now() < deadline && !hurry()) {
    none_left = calls_in_flight_->WaitUntilNone(std::min(deadline, absl::Now() + kHurryPeriod));
  }
  const int64_t num_cancelled = none_left ? 0 : calls_in_flight_->count();
  // A call has ended when gRPC took its answer, which may still be on its way to the client: cancelling would reset it.
  // On a busy machine some megabytes take more than a quarter of a second. Idle connections would be waited for as
  // well.
  const absl::Duration flush = absl::Milliseconds(had_calls ? 500 : 250);
  if (none_left) closed.WaitForNotificationWithTimeout(flush);
  // What is left now: our calls when time is up, and streams that have no end of their own, as health's Watch.
  grpc_server_cancel_all_calls(server_->c_server());
  shutdown.join();
  calls_alive_->WaitUntilNone(absl::InfiniteFuture());
  queues_->ShutDown();
  return num_cancelled;
}

}  // namespace favor
