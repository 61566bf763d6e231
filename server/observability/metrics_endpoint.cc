#include "server/observability/metrics_endpoint.h"

#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"

namespace favor {

absl::StatusOr<std::unique_ptr<MetricsEndpoint>> MetricsEndpoint::Start(
    const std::string& address, std::shared_ptr<prometheus::Collectable> metrics) {
  std::unique_ptr<MetricsEndpoint> endpoint(new MetricsEndpoint);
  endpoint->metrics_ = std::move(metrics);
  try {
    constexpr size_t kNumThreads = 1;  // scrapes are rare
    endpoint->exposer_ = std::make_unique<prometheus::Exposer>(address, kNumThreads);
    endpoint->exposer_->RegisterCollectable(endpoint->metrics_);
    const std::string host = address.substr(0, address.rfind(':'));
    endpoint->address_ = absl::StrCat(host, ":", endpoint->exposer_->GetListeningPorts().at(0));
  } catch (const std::exception& error) {
    return absl::UnavailableError(absl::StrCat("cannot serve metrics at ", address, ": ", error.what()));
  }
  return endpoint;
}

}  // namespace favor
