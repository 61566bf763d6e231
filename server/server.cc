#include "server/server.h"

#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <numeric>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "favor/attention/attention.h"
#include "favor/base/version.h"
#include "favor/format/replace_file.h"
#include "favor/kernels/cpu_target.h"
#include "server/config/otlp_endpoint.h"
#include "server/config/quantity.h"
#include "server/convert/item_reader.h"
#include "server/security/small_file.h"

namespace favor {
namespace {

// For the last traces to reach their collector, which may be gone.
constexpr absl::Duration kTraceFlush = absl::Seconds(2);

// Whoever waits for the file never sees half of it.
absl::Status WritePortFile(const std::string& path, const std::vector<std::string>& addresses) {
  for (const std::string& address : addresses) {
    if (path.empty() || !UnixPath(address).empty()) continue;
    const absl::Status status = ReplaceFile(path, absl::StrCat(address.substr(address.rfind(':') + 1), "\n"));
    return status.ok() ? status : absl::UnavailableError(absl::StrCat("port-file: ", status.message()));
  }
  return absl::OkStatus();
}

// Whether it could be written, as far as can be told without writing it.
absl::Status CheckPortFile(const std::string& path) {
  if (path.empty()) return absl::OkStatus();
  std::error_code error;
  const std::filesystem::file_status existing = std::filesystem::status(path, error);
  const bool replaces = !std::filesystem::exists(existing) || std::filesystem::is_regular_file(existing);
  const std::string folder = std::filesystem::absolute(path, error).parent_path().string();
  const std::string& written = replaces ? folder : path;
  if (!std::filesystem::is_directory(existing) && access(written.c_str(), W_OK) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(std::filesystem::is_directory(existing) ? EISDIR : errno,
                             absl::StrCat("port-file: cannot write ", path));
}

SecurityOptions SecurityOf(const ServerConfig& config) {
  SecurityOptions options;
  options.certificates = {config.tls_certificate, config.tls_key, config.tls_client_ca};
  options.api_keys = config.api_keys;
  options.key_limits = {static_cast<double>(config.key_rate), config.key_burst, config.key_calls};
  options.reload_period = config.reload_period;
  return options;
}

PriorityShares SharesOf(const ServerConfig& config) {
  return {config.low_priority_share, config.normal_priority_share, 1};
}

int64_t Sum(const std::array<int64_t, kNumPriorities>& counts) {
  return std::accumulate(counts.begin(), counts.end(), int64_t{0});
}

// How to send traces; without a target when nothing is traced.
absl::StatusOr<SpanExporterOptions> TracingOf(const ServerConfig& config) {
  SpanExporterOptions options;
  if (config.otlp_endpoint.empty()) return options;
  const absl::StatusOr<OtlpEndpoint> endpoint = ParseOtlpEndpoint(config.otlp_endpoint);
  if (!endpoint.ok()) return endpoint.status();
  options.target = endpoint->target;
  options.tls = endpoint->tls;
  options.service_name = config.otlp_service_name;
  if (config.otlp_ca.empty()) return options;
  absl::StatusOr<std::string> ca = ReadSmallFile("otlp-ca", config.otlp_ca);
  if (!ca.ok()) return ca.status();
  options.tls_ca = *std::move(ca);
  return options;
}

// Whoever reaches an address of the network may read what is not encrypted and call what needs no key.
void WarnOfExposure(const ServerConfig& config, const Log& log) {
  for (const std::string& address : config.addresses) {
    if (IsOfThisMachine(address)) continue;
    if (config.tls_certificate.empty()) {
      log.Write(LogLevel::kWarning, "exposed_address",
                {{"address", address},
                 {"message", config.api_keys.empty()
                                 ? "calls are not encrypted: set tls-certificate and tls-key, or end TLS in front of it"
                                 : "calls and their API keys are not encrypted: set tls-certificate and tls-key, or "
                                   "end TLS in front of it"}});
    }
    if (config.api_keys.empty() && config.tls_client_ca.empty()) {
      log.Write(LogLevel::kWarning, "exposed_address",
                {{"address", address},
                 {"message", "anybody who reaches it may call: set api-keys or tls-client-ca, or guard it otherwise"}});
    }
    if (config.api_keys.empty() && config.model_admin) {
      log.Write(LogLevel::kWarning, "exposed_address",
                {{"address", address},
                 {"message",
                  "model-admin is true: whoever may call may load and unload models; set api-keys, of which "
                  "those marked admin alone may"}});
    }
  }
}

v1::GetServerInfoResponse InfoOf(const ServerConfig& config, int num_threads) {
  v1::GetServerInfoResponse info;
  info.set_version(kVersion);
#ifdef __clang__
  info.set_build("clang " __clang_version__ " " FAVOR_BUILD_TYPE);
#else
  info.set_build("g++ " __VERSION__ " " FAVOR_BUILD_TYPE);
#endif
  info.set_cpu_target(CpuTargetName());
  info.set_num_compute_threads(num_threads);
  v1::Limits* limits = info.mutable_limits();
  limits->set_max_message_bytes(config.max_message_bytes);
  limits->set_memory_budget_bytes(config.memory_budget_bytes);
  limits->set_max_num_features(kMaxNumFeatures);
  limits->set_max_head_dim(kMaxHeadDim);
  limits->set_max_value_dim(kMaxValueDim);
  limits->set_max_inputs_per_request(kMaxItems);
  return info;
}

// Each by itself, and whether all of them fit into the memory budget.
absl::Status CheckModels(const ServerConfig& config, const ModelRegistry::Loader& load_model) {
  Admission admission({config.memory_budget_bytes, config.max_calls, SharesOf(config)});
  std::vector<Admission::ModelMemory> held;
  for (const ModelSetting& model : config.models) {
    const auto about = [&model](const absl::Status& status) {
      return absl::Status(status.code(), absl::StrCat("model ", model.name, ": ", status.message()));
    };
    const auto loaded = load_model(model.folder);
    if (!loaded.ok()) return about(loaded.status());
    auto memory = admission.HoldModel((*loaded)->memory_bytes());
    if (!memory.ok()) return about(memory.status());
    held.push_back(*std::move(memory));
  }
  return absl::OkStatus();
}

}  // namespace

Server::Server(const ServerConfig& config, const Log* log, std::unique_ptr<SecurityFiles> security,
               std::unique_ptr<SpanExporter> span_exporter, ModelRegistry::Loader load_model)
    : config_(config),
      log_(log),
      call_log_(log, {config.log_every, config.slow_call}),
      security_(std::move(security)),
      span_exporter_(std::move(span_exporter)),
      tracer_(span_exporter_ == nullptr
                  ? nullptr
                  : std::make_unique<const Tracer>(span_exporter_.get(), config.trace_sample_ratio)),
      doorkeeper_(security_->keys(), config.access, log),
      open_streams_(config.max_streams),
      admission_({config.memory_budget_bytes, config.max_calls, SharesOf(config)}),
      compute_(std::make_unique<Compute>(static_cast<int>(config.threads))),
      draws_(std::make_unique<ProjectionDraws>(config.projection_cache_bytes)),
      execution_(std::make_unique<AttendExecution>(
          compute_.get(), draws_.get(), MeasureCosts(),
          LiveMeasurement::Options{
              config.measure_sample_ratio,
              [metrics = metrics_](const ErrorEstimate& error) { metrics->RecordLiveError(error.relative_error); }})),
      models_(std::make_unique<ModelRegistry>(
          std::move(load_model),
          [this](const absl::StatusOr<NamedModel>& model) {
            metrics_->RecordModelLoad(model.status());
            LogLoad(model);
          },
          &admission_)) {
  std::vector<std::string> names;
  for (const ModelSetting& model : config.models) names.push_back(model.name);
  models_->Expect(names);
  batcher_ = std::make_unique<EmbedBatcher>(
      EmbedBatcherOptions{config.embed_batch_tokens, config.embed_queue_tokens, SharesOf(config)}, compute_.get(),
      [metrics = metrics_](int64_t num_tokens) { metrics->RecordEmbedBatch(num_tokens); });
  metrics_->SetSources(
      {[this] { return admission_.stats(); }, [this] { return calls_in_flight_.count(); },
       [this] { return batcher_->waiting_tokens(); }, [this] { return static_cast<int64_t>(models_->List().size()); },
       [this] { return open_streams_.count(); }, [this] { return Refusals(); }, CertificateExpirySource(),
       [this] { return compute_->num_jobs(); }, [this] { return compute_->queue_age(); }, [this] { return Shed(); },
       span_exporter_ == nullptr ? std::function<TracedCalls()>() : [this] { return span_exporter_->stats(); },
       [this] { return log_->num_dropped(); }});
  attention_service_ =
      std::make_unique<AttentionService>(AttentionDependencies{&admission_, compute_.get(), execution_.get(),
                                                               draws_.get(), metrics_.get(), config.max_message_bytes},
                                         Observers());
  embedding_service_ = std::make_unique<EmbeddingService>(
      EmbeddingDependencies{&admission_, compute_.get(), models_.get(), draws_.get(), batcher_.get(), metrics_.get(),
                            config.max_message_bytes},
      Observers());
  model_service_ = std::make_unique<ModelService>(models_.get(), config.model_admin, Observers());
  info_service_ = std::make_unique<InfoService>(InfoOf(config, compute_->num_threads()), Observers());
}

absl::Status Server::Check(const ServerConfig& config, const Log* log, const ModelRegistry::Loader& load_model) {
  if (auto security = SecurityFiles::Load(SecurityOf(config), log); !security.ok()) return security.status();
  if (auto tracing = TracingOf(config); !tracing.ok()) return tracing.status();
  if (absl::Status status = CheckPortFile(config.port_file); !status.ok()) return status;
  return CheckModels(config, load_model);
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerConfig& config, const Log* log,
                                                      ModelRegistry::Loader load_model) {
  absl::StatusOr<std::unique_ptr<SecurityFiles>> security = SecurityFiles::Load(SecurityOf(config), log);
  if (!security.ok()) return security.status();
  absl::StatusOr<SpanExporterOptions> tracing = TracingOf(config);
  if (!tracing.ok()) return tracing.status();
  auto span_exporter = tracing->target.empty() ? nullptr : std::make_unique<SpanExporter>(*tracing, log);
  std::unique_ptr<Server> server(
      new Server(config, log, *std::move(security), std::move(span_exporter), std::move(load_model)));
  WarnOfExposure(config, *log);

  if (!config.metrics_address.empty()) {
    auto endpoint = MetricsEndpoint::Start(config.metrics_address, server->metrics_);
    if (!endpoint.ok()) return endpoint.status();
    server->endpoint_ = *std::move(endpoint);
  }
  auto rpc = RpcServer::Start(server->RpcOptions(),
                              {server->attention_service_->ForServer(), server->embedding_service_->ForServer(),
                               server->model_service_->ForServer(), server->info_service_->ForServer()},
                              &server->calls_in_flight_, &server->calls_alive_);
  if (!rpc.ok()) return rpc.status();
  server->rpc_ = *std::move(rpc);
  if (absl::Status status = WritePortFile(config.port_file, server->addresses()); !status.ok()) return status;
  return server;
}

std::vector<std::pair<const char*, int64_t>> Server::Refusals() const {
  const Doorkeeper::Stats door = doorkeeper_.stats();
  const KeyRing::Stats keys = security_->keys() == nullptr ? KeyRing::Stats() : security_->keys()->stats();
  return {{"streams", open_streams_.num_refused()}, {"unauthenticated", door.refused_unauthenticated},
          {"forbidden", door.refused_forbidden},    {"key_rate", keys.refused_for_rate},
          {"key_calls", keys.refused_for_calls},    {"deadline", compute_->forecast().num_refused()},
          {"embed_queue", Sum(batcher_->refused())}};
}

std::array<int64_t, kNumPriorities> Server::Shed() const {
  std::array<int64_t, kNumPriorities> shed = admission_.stats().refused_by_priority;
  const std::array<int64_t, kNumPriorities> of_batcher = batcher_->refused();
  for (int i = 0; i < kNumPriorities; ++i) shed[i] += of_batcher[i];
  return shed;
}

std::function<absl::Time()> Server::CertificateExpirySource() const {
  const CertificateStore* certificates = security_->certificates();
  if (certificates == nullptr) return nullptr;
  return [certificates] { return certificates->Get().expiry; };
}

RpcServerOptions Server::RpcOptions() {
  RpcServerOptions options;
  options.addresses = config_.addresses;
  options.max_message_bytes = config_.max_message_bytes;
  options.num_queues = static_cast<int>(config_.grpc_threads);
  options.max_concurrent_streams = static_cast<int>(config_.max_concurrent_streams);
  options.max_metadata_bytes = config_.max_metadata_bytes;
  options.handshake_timeout = config_.handshake_timeout;
  options.min_ping_interval = config_.min_ping_interval;
  options.client_idle_timeout = config_.stream_idle_timeout;
  options.keepalive_time = config_.keepalive_time;
  options.keepalive_timeout = config_.keepalive_timeout;
  options.max_connection_idle = config_.max_connection_idle;
  options.max_connection_age = config_.max_connection_age;
  options.max_connection_age_grace = config_.max_connection_age_grace;
  options.certificates = security_->certificates();
  options.doorkeeper = doorkeeper_.is_needed() ? &doorkeeper_ : nullptr;
  return options;
}

absl::Status Server::LoadModels(const std::function<bool(absl::Duration)>& stop_waiting) {
  constexpr absl::Duration kLook = absl::Milliseconds(20);
  // Shared: after a stop the last load may come to its end when this function has.
  struct Progress {
    absl::Mutex mutex;
    size_t num_done ABSL_GUARDED_BY(mutex) = 0;
    absl::Status status ABSL_GUARDED_BY(mutex);
  };
  auto progress = std::make_shared<Progress>();
  for (const ModelSetting& model : config_.models) {
    models_->Load(model.name, model.folder, [progress](const absl::StatusOr<NamedModel>& loaded) {
      absl::MutexLock lock(&progress->mutex);
      progress->status.Update(loaded.status());
      ++progress->num_done;
    });
  }
  while (true) {
    absl::Status failed;
    {
      absl::MutexLock lock(&progress->mutex);
      if (!progress->status.ok()) {
        failed = progress->status;
      } else if (progress->num_done == config_.models.size()) {
        break;
      }
    }
    if (!failed.ok()) {
      models_->Stop();  // tells of the other loads: not under the lock
      return failed;
    }
    if (stop_waiting(kLook)) {
      models_->Stop();
      return absl::CancelledError("stopped while models were loading");
    }
  }
  rpc_->SetServing(true);
  log_->Write(LogLevel::kInfo, "serving", {{"models", config_.models.size()}});
  return absl::OkStatus();
}

void Server::Reload(std::function<void()> done) {
  security_->ReloadSoon();
  // Each load holds it; the last to let go is the end. How they went is logged as of every load.
  const std::shared_ptr<void> end(nullptr, [done = std::move(done)](std::nullptr_t) { done(); });
  models_->ReloadAll([end](const absl::StatusOr<NamedModel>&) {});
}

void Server::Ping(std::function<void()> answered) {
  static const Cancellation never;
  compute_->Submit(Job(), &never, [answered = std::move(answered)](const absl::Status&, Timing) { answered(); });
}

void Server::LogLoad(const absl::StatusOr<NamedModel>& model) const {
  if (!model.ok()) {
    return log_->Write(LogLevel::kError, "model_load_failed", {{"message", std::string(model.status().message())}});
  }
  log_->Write(LogLevel::kInfo, "model_loaded",
              {{"name", model->name}, {"folder", model->folder}, {"model_id", model->model->id}});
}

void Server::Drain(const std::function<bool(absl::Duration)>& stop_waiting) {
  const absl::Time began = absl::Now();
  const auto since_began = [began] { return absl::ToInt64Milliseconds(absl::Now() - began); };
  log_->Write(LogLevel::kInfo, "drain_started",
              {{"calls_in_flight", calls_in_flight_.count()},
               {"drain_delay", absl::FormatDuration(config_.drain_delay)},
               {"drain_timeout", absl::FormatDuration(config_.drain_timeout)}});
  rpc_->SetServing(false);
  bool hurry = stop_waiting(config_.drain_delay);
  log_->Write(LogLevel::kInfo, "drain_refusing_calls",
              {{"calls_in_flight", calls_in_flight_.count()}, {"after_ms", since_began()}});
  models_->Stop();  // calls that wait for a load would not end in time
  const int64_t num_cancelled = rpc_->Shutdown(config_.drain_timeout, [&] {
    hurry = hurry || stop_waiting(absl::ZeroDuration());
    return hurry;
  });
  if (span_exporter_ != nullptr) span_exporter_->Stop(kTraceFlush);
  log_->Write(LogLevel::kInfo, "drain_finished", {{"calls_cancelled", num_cancelled}, {"after_ms", since_began()}});
}

}  // namespace favor
