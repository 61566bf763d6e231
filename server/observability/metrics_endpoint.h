#ifndef FAVOR_SERVER_OBSERVABILITY_METRICS_ENDPOINT_H_
#define FAVOR_SERVER_OBSERVABILITY_METRICS_ENDPOINT_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "prometheus/collectable.h"
#include "prometheus/exposer.h"

namespace favor {

// Serves a Collectable over HTTP at /metrics.
class MetricsEndpoint {
 public:
  // `address` is host:port, port 0 picks one. UnavailableError when it cannot listen there.
  static absl::StatusOr<std::unique_ptr<MetricsEndpoint>> Start(const std::string& address,
                                                                std::shared_ptr<prometheus::Collectable> metrics);

  ~MetricsEndpoint();

  // host:port it listens on.
  const std::string& address() const { return address_; }

 private:
  MetricsEndpoint() = default;

  std::shared_ptr<prometheus::Collectable> metrics_;
  std::unique_ptr<prometheus::Exposer> exposer_;
  std::string address_;
};

}  // namespace favor

#endif  // FAVOR_SERVER_OBSERVABILITY_METRICS_ENDPOINT_H_
