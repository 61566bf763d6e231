#ifndef FAVOR_SERVER_SERVER_H_
#define FAVOR_SERVER_SERVER_H_

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/config/server_config.h"
#include "server/execution/admission.h"
#include "server/execution/attend_execution.h"
#include "server/execution/compute.h"
#include "server/execution/embed_batcher.h"
#include "server/execution/model_registry.h"
#include "server/execution/projection_draws.h"
#include "server/observability/call_log.h"
#include "server/observability/log.h"
#include "server/observability/metrics.h"
#include "server/observability/metrics_endpoint.h"
#include "server/observability/span_exporter.h"
#include "server/observability/tracer.h"
#include "server/rpc/calls_in_flight.h"
#include "server/rpc/doorkeeper.h"
#include "server/rpc/open_streams.h"
#include "server/rpc/rpc_server.h"
#include "server/security/security_files.h"
#include "server/services/attention_service.h"
#include "server/services/embedding_service.h"
#include "server/services/info_service.h"
#include "server/services/model_service.h"

namespace favor {

// favord without its process: everything that serves, put together.
class Server {
 public:
  // Reads what Start() and LoadModels() would read, and does nothing else. The error is theirs.
  static absl::Status Check(const ServerConfig& config, const Log* log,
                            const ModelRegistry::Loader& load_model = &LoadModel);

  // Listens and answers; health is NOT_SERVING until LoadModels(). The log must outlive the server. An error tells what
  // cannot be had: an address, a file. `load_model` reads a model's folder.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerConfig& config, const Log* log,
                                                       ModelRegistry::Loader load_model = &LoadModel);
  ~Server() = default;

  const std::vector<std::string>& addresses() const { return rpc_->addresses(); }
  // Empty when metrics are off.
  std::string metrics_address() const { return endpoint_ == nullptr ? "" : endpoint_->address(); }

  // Loads the models of the settings, then says that it serves. An error names the model that cannot be loaded.
  // CancelledError when `stop_waiting`, which is asked again and again and waits up to the time given, returns true.
  absl::Status LoadModels(const std::function<bool(absl::Duration)>& stop_waiting);
  // Loads every model anew, looks at certificates and keys, and logs how it went. Never blocks; `done` runs when all
  // that is over, perhaps before this returns, perhaps on another thread.
  void Reload(std::function<void()> done);
  // Has `answered` run by the compute pool, when it gets to it. Before Drain().
  void Ping(std::function<void()> answered);

  // Stops serving as config.drain_delay and drain_timeout say. `stop_waiting` waits up to the time given and returns
  // true when both waits are to be cut short.
  void Drain(const std::function<bool(absl::Duration)>& stop_waiting);

 private:
  Server(const ServerConfig& config, const Log* log, std::unique_ptr<SecurityFiles> security,
         std::unique_ptr<SpanExporter> span_exporter, ModelRegistry::Loader load_model);

  RpcServerOptions RpcOptions();
  // What calls were refused for beside what admission counts.
  std::vector<std::pair<const char*, int64_t>> Refusals() const;
  std::array<int64_t, kNumPriorities> Shed() const;
  std::function<absl::Time()> CertificateExpirySource() const;
  void LogLoad(const absl::StatusOr<NamedModel>& model) const;

  CallObservers Observers() {
    return {metrics_.get(), &call_log_,        &calls_in_flight_, &calls_alive_,
            &open_streams_, security_->keys(), tracer_.get()};
  }

  const ServerConfig config_;
  const Log* const log_;
  const std::shared_ptr<Metrics> metrics_ = std::make_shared<Metrics>();
  const CallLog call_log_;
  const std::unique_ptr<SecurityFiles> security_;
  const std::unique_ptr<SpanExporter> span_exporter_;  // null: nothing is traced
  const std::unique_ptr<const Tracer> tracer_;         // the same
  Doorkeeper doorkeeper_;
  CallsInFlight calls_in_flight_;
  CallsInFlight calls_alive_;
  OpenStreams open_streams_;
  Admission admission_;

  // Members end in the reverse order: first who asks all others for their numbers, then the threads that may still let
  // go of a call, then gRPC.
  std::unique_ptr<AttentionService> attention_service_;
  std::unique_ptr<InfoService> info_service_;
  std::unique_ptr<EmbeddingService> embedding_service_;
  std::unique_ptr<ModelService> model_service_;
  std::unique_ptr<RpcServer> rpc_;
  std::unique_ptr<EmbedBatcher> batcher_;
  std::unique_ptr<Compute> compute_;
  std::unique_ptr<ProjectionDraws> draws_;
  std::unique_ptr<AttendExecution> execution_;
  std::unique_ptr<ModelRegistry> models_;
  std::unique_ptr<MetricsEndpoint> endpoint_;
};

}  // namespace favor

#endif  // FAVOR_SERVER_SERVER_H_
