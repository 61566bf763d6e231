#include "server/observability/metrics_endpoint.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <exception>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"

namespace favor {
namespace {

// Opens a TCP connection to host:port and closes it.
void ConnectOnce(const std::string& address) {
  const size_t colon = address.rfind(':');
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string host(absl::StripSuffix(absl::StripPrefix(address.substr(0, colon), "["), "]"));
  if (getaddrinfo(host.c_str(), address.c_str() + colon + 1, &hints, &found) != 0) return;
  const int connection = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connection >= 0) {
    [[maybe_unused]] const int ignored = connect(connection, found->ai_addr, found->ai_addrlen);
    close(connection);
  }
  freeaddrinfo(found);
}

}  // namespace

absl::StatusOr<std::unique_ptr<MetricsEndpoint>> MetricsEndpoint::Start(
    const std::string& address, std::shared_ptr<prometheus::Collectable> metrics) {
  std::unique_ptr<MetricsEndpoint> endpoint(new MetricsEndpoint);
  endpoint->metrics_ = std::move(metrics);
  try {
    // Scrapes are rare. But a connection keeps its thread until it has asked for something or the time for that is up,
    // and whoever only looks whether the port is open must not keep Prometheus out.
    const std::vector<std::string> options = {"listening_ports",    address, "num_threads", "32",
                                              "request_timeout_ms", "1000"};
    endpoint->exposer_ = std::make_unique<prometheus::Exposer>(options);
    endpoint->exposer_->RegisterCollectable(endpoint->metrics_);
    const std::string host = address.substr(0, address.rfind(':'));
    endpoint->address_ = absl::StrCat(host, ":", endpoint->exposer_->GetListeningPorts().at(0));
  } catch (const std::exception& error) {
    return absl::UnavailableError(absl::StrCat("cannot serve metrics at ", address, ": ", error.what()));
  }
  return endpoint;
}

MetricsEndpoint::~MetricsEndpoint() {
  if (exposer_ == nullptr) return;
  // civetweb looks whether it is to stop every two seconds, or when somebody connects. So somebody does, once the stop
  // has begun; if this comes too early or fails, the stop takes its two seconds.
  std::thread caller([this] {
    absl::SleepFor(absl::Milliseconds(20));
    ConnectOnce(address_);
  });
  exposer_.reset();
  caller.join();
}

}  // namespace favor
