#include "server/observability/metrics.h"

#include <utility>

#include "absl/strings/string_view.h"
#include "favor/base/version.h"
#include "favor/kernels/cpu_target.h"
#include "prometheus/family.h"
#include "prometheus/gauge.h"
#include "server/execution/priority_shares.h"
#include "server/observability/process_stats.h"

namespace favor {
namespace {

using prometheus::ClientMetric;
using prometheus::Counter;
using prometheus::Family;
using prometheus::Histogram;
using prometheus::MetricFamily;
using prometheus::MetricType;
using prometheus::Registry;

// 50 us to 60 s: a small call takes 0.3 ms, a causal call of a million tokens half a minute.
const Histogram::BucketBoundaries kSeconds = {50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3,
                                              0.1,   0.25,   0.5,    1,      2.5,  5,      10,   30,    60};

// A single short text to a long document by itself.
const Histogram::BucketBoundaries kTokens = {16,   32,   64,    128,   256,   512,    1024,   2048,
                                             4096, 8192, 16384, 32768, 65536, 131072, 262144, 1048576};

// Bounds that callers ask for lie between.
const Histogram::BucketBoundaries kErrors = {0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3};

Family<Counter>& CounterFamily(Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

Family<Histogram>& HistogramFamily(Registry& registry, const char* name, const char* help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
}

// gRPC's names of the codes, as the usual dashboards expect them.
constexpr const char* kCodeNames[] = {
    "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
    "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
    "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
    "DataLoss", "Unauthenticated"};

struct Sample {
  std::vector<ClientMetric::Label> labels;
  double value;
};

MetricFamily FamilyOf(MetricType type, const char* name, const char* help, std::vector<Sample> samples) {
  MetricFamily family{name, help, type, {}};
  for (Sample& sample : samples) {
    ClientMetric metric;
    metric.label = std::move(sample.labels);
    (type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = sample.value;
    family.metric.push_back(std::move(metric));
  }
  return family;
}

MetricFamily GaugeOf(const char* name, const char* help, double value) {
  return FamilyOf(MetricType::Gauge, name, help, {{{}, value}});
}

MetricFamily Rejections(const AdmissionStats& stats, const Metrics::Sources& sources) {
  std::vector<std::pair<const char*, int64_t>> reasons = {{"memory", stats.refused_for_memory},
                                                          {"calls", stats.refused_for_calls},
                                                          {"too_large", stats.refused_as_too_large}};
  if (sources.refusals) {
    const auto others = sources.refusals();
    reasons.insert(reasons.end(), others.begin(), others.end());
  }
  std::vector<Sample> samples;
  for (const auto& [reason, count] : reasons) samples.push_back({{{"reason", reason}}, static_cast<double>(count)});
  return FamilyOf(MetricType::Counter, "favor_rejected_total", "Calls refused before anything was computed.", samples);
}

MetricFamily Shed(const std::array<int64_t, kNumPriorities>& shed) {
  std::vector<Sample> samples;
  for (int i = 0; i < kNumPriorities; ++i) {
    samples.push_back({{{"priority", NameOf(static_cast<Priority>(i))}}, static_cast<double>(shed[i])});
  }
  return FamilyOf(MetricType::Counter, "favor_shed_total", "Calls refused for lack of room, by their priority.",
                  samples);
}

// Without TLS the family has no samples, so that no alert on an expiry of 0 fires.
MetricFamily CertificateExpiry(const Metrics::Sources& sources) {
  std::vector<Sample> samples;
  if (sources.certificate_expiry) {
    samples.push_back({{}, static_cast<double>(absl::ToUnixSeconds(sources.certificate_expiry()))});
  }
  return FamilyOf(MetricType::Gauge, "favor_tls_certificate_expiry_timestamp_seconds",
                  "When the server's certificate expires, in seconds since the Unix epoch.", samples);
}

MetricFamily TracedCallsOf(const Metrics::Sources& sources) {
  std::vector<Sample> samples;
  if (sources.traced_calls) {
    const TracedCalls stats = sources.traced_calls();
    samples = {{{{"result", "exported"}}, static_cast<double>(stats.exported)},
               {{{"result", "dropped"}}, static_cast<double>(stats.dropped)},
               {{{"result", "failed"}}, static_cast<double>(stats.failed)}};
  }
  return FamilyOf(MetricType::Counter, "favor_traced_calls_total", "Calls recorded for traces, by what became of them.",
                  samples);
}

void AppendProcess(const ProcessStats& stats, std::vector<MetricFamily>& families) {
  families.push_back(FamilyOf(MetricType::Counter, "process_cpu_seconds_total",
                              "Total user and system CPU time spent in seconds.", {{{}, stats.cpu_seconds}}));
  families.push_back(
      GaugeOf("process_resident_memory_bytes", "Resident memory size in bytes.", stats.resident_memory_bytes));
  families.push_back(
      GaugeOf("process_virtual_memory_bytes", "Virtual memory size in bytes.", stats.virtual_memory_bytes));
  families.push_back(GaugeOf("process_start_time_seconds", "Start time of the process since unix epoch in seconds.",
                             stats.start_time_seconds));
  families.push_back(GaugeOf("process_open_fds", "Number of open file descriptors.", stats.open_fds));
  families.push_back(GaugeOf("process_max_fds", "Maximum number of open file descriptors.", stats.max_fds));
}

}  // namespace

Metrics::Metrics()
    : started_(CounterFamily(registry_, "grpc_server_started_total", "RPCs started on the server.")),
      handled_(CounterFamily(registry_, "grpc_server_handled_total",
                             "RPCs completed on the server, regardless of success or failure.")),
      messages_received_(
          CounterFamily(registry_, "grpc_server_msg_received_total", "Messages received on the server.")),
      messages_sent_(CounterFamily(registry_, "grpc_server_msg_sent_total", "Messages sent by the server.")),
      request_bytes_(CounterFamily(registry_, "favor_request_bytes_total", "Bytes of the messages received.")),
      response_bytes_(CounterFamily(registry_, "favor_response_bytes_total", "Bytes of the messages sent.")),
      handling_seconds_(HistogramFamily(registry_, "grpc_server_handling_seconds",
                                        "Time from the arrival of an RPC to the end of its answer.")),
      queue_wait_seconds_(
          HistogramFamily(registry_, "favor_queue_wait_seconds", "Time a call waited for the compute pool.")
              .Add({}, kSeconds)),
      compute_seconds_(
          HistogramFamily(registry_, "favor_compute_seconds", "Time from the first kernel of a call to its last.")
              .Add({}, kSeconds)),
      tokens_(CounterFamily(registry_, "favor_tokens_total", "Query positions answered, heads not counted.").Add({})),
      degenerate_rows_(CounterFamily(registry_, "favor_degenerate_rows_total",
                                     "Output rows set to zero: no visible key, or no valid denominator.")
                           .Add({})),
      auto_calls_(CounterFamily(registry_, "favor_auto_calls_total",
                                "Attend calls of mode auto answered, by the way that kept the bound.")),
      auto_exact_(auto_calls_.Add({{"ran", "exact"}})),
      auto_anchors_(auto_calls_.Add({{"ran", "anchors"}})),
      auto_escalations_(CounterFamily(registry_, "favor_auto_escalations_total",
                                      "Approximations of mode auto that were measured beyond the bound and done over.")
                            .Add({})),
      auto_missed_(CounterFamily(registry_, "favor_auto_missed_total",
                                 "Attend calls of mode auto answered although the bound was missed.")
                       .Add({})),
      auto_error_(HistogramFamily(registry_, "favor_auto_error", "Measured relative error of answers of mode auto.")
                      .Add({}, kErrors)),
      live_error_(HistogramFamily(registry_, "favor_live_error",
                                  "Relative error of a share of approximate Attend calls that did not ask for it.")
                      .Add({}, kErrors)),
      embed_inputs_(CounterFamily(registry_, "favor_embed_inputs_total", "Inputs of Embed calls answered.").Add({})),
      embed_tokens_(CounterFamily(registry_, "favor_embed_tokens_total",
                                  "Tokens that encoders ran over for Embed calls answered.")
                        .Add({})),
      embed_batch_tokens_(
          HistogramFamily(registry_, "favor_embed_batch_tokens", "Tokens of a batch of inputs.").Add({}, kTokens)),
      embed_queue_wait_seconds_(HistogramFamily(registry_, "favor_embed_queue_wait_seconds",
                                                "Time from the arrival of an Embed call to its first kernel.")
                                    .Add({}, kSeconds)),
      embed_compute_seconds_(HistogramFamily(registry_, "favor_embed_compute_seconds",
                                             "Time from the first kernel of an Embed call to its last.")
                                 .Add({}, kSeconds)),
      embed_tokenize_seconds_(HistogramFamily(registry_, "favor_embed_tokenize_seconds",
                                              "Time to read and tokenise the inputs of an Embed or Tokenize call.")
                                  .Add({}, kSeconds)),
      serialise_seconds_(HistogramFamily(registry_, "favor_serialise_seconds",
                                         "Time from the end of a call's computation to the bytes of its answer.")
                             .Add({}, kSeconds)),
      model_loads_(CounterFamily(registry_, "favor_model_loads_total", "Attempts to load a model.")),
      models_loaded_(model_loads_.Add({{"result", "ok"}})),
      models_failed_(model_loads_.Add({{"result", "error"}})) {}

MethodMetrics Metrics::ForMethod(const std::string& service, const std::string& method, const std::string& type) {
  const prometheus::Labels labels = {{"grpc_type", type}, {"grpc_service", service}, {"grpc_method", method}};
  MethodMetrics metrics{&started_.Add(labels),
                        &messages_received_.Add(labels),
                        &messages_sent_.Add(labels),
                        &request_bytes_.Add(labels),
                        &response_bytes_.Add(labels),
                        &handling_seconds_.Add(labels, kSeconds),
                        {}};
  for (size_t code = 0; code < metrics.handled.size(); ++code) {
    prometheus::Labels with_code = labels;
    with_code["grpc_code"] = kCodeNames[code];
    metrics.handled[code] = &handled_.Add(with_code);
  }
  return metrics;
}

void Metrics::RecordAttend(const Timing& timing, int64_t num_tokens, int64_t degenerate_rows) {
  queue_wait_seconds_.Observe(absl::ToDoubleSeconds(timing.queue_time));
  compute_seconds_.Observe(absl::ToDoubleSeconds(timing.compute_time));
  tokens_.Increment(static_cast<double>(num_tokens));
  degenerate_rows_.Increment(static_cast<double>(degenerate_rows));
}

void Metrics::RecordAutomatic(const AutoOutcome& outcome) {
  (outcome.spec.mode == AttentionMode::kExact ? auto_exact_ : auto_anchors_).Increment();
  auto_escalations_.Increment(outcome.num_escalations);
  if (outcome.missed) auto_missed_.Increment();
  if (outcome.measured) auto_error_.Observe(outcome.measured->relative_error);
}

void Metrics::RecordEmbed(const Timing& timing, int64_t num_inputs, int64_t num_tokens) {
  embed_queue_wait_seconds_.Observe(absl::ToDoubleSeconds(timing.queue_time));
  embed_compute_seconds_.Observe(absl::ToDoubleSeconds(timing.compute_time));
  embed_inputs_.Increment(static_cast<double>(num_inputs));
  embed_tokens_.Increment(static_cast<double>(num_tokens));
}

std::vector<MetricFamily> Metrics::Collect() const {
  std::vector<MetricFamily> families = registry_.Collect();
  families.push_back(FamilyOf(MetricType::Gauge, "favor_build_info", "Always 1; the labels tell what runs.",
                              {{{{"version", kVersion}, {"cpu_target", CpuTargetName()}}, 1}}));
  if (sources_.admission) {
    const AdmissionStats stats = sources_.admission();
    families.push_back(
        GaugeOf("favor_admitted_bytes", "Bytes held by admitted calls.", static_cast<double>(stats.admitted_bytes)));
    families.push_back(
        GaugeOf("favor_model_bytes", "Memory of loaded models.", static_cast<double>(stats.model_bytes)));
    families.push_back(Rejections(stats, sources_));
  }
  if (sources_.shed) families.push_back(Shed(sources_.shed()));
  if (sources_.calls_in_flight) {
    families.push_back(GaugeOf("favor_calls_in_flight", "RPCs that have arrived and are not answered yet.",
                               static_cast<double>(sources_.calls_in_flight())));
  }
  if (sources_.open_streams) {
    families.push_back(
        GaugeOf("favor_open_streams", "Streams that are open.", static_cast<double>(sources_.open_streams())));
  }
  if (sources_.embed_waiting_tokens) {
    families.push_back(GaugeOf("favor_embed_queue_tokens", "Tokens that wait for a batch.",
                               static_cast<double>(sources_.embed_waiting_tokens())));
  }
  if (sources_.queue_jobs) {
    families.push_back(GaugeOf("favor_queue_jobs", "Jobs that the compute pool has, running or waiting.",
                               static_cast<double>(sources_.queue_jobs())));
  }
  if (sources_.queue_age) {
    families.push_back(GaugeOf("favor_queue_age_seconds",
                               "How long the job has waited that has waited longest for its first step.",
                               absl::ToDoubleSeconds(sources_.queue_age())));
  }
  if (sources_.models) {
    families.push_back(
        GaugeOf("favor_models_loaded", "Models that requests may name.", static_cast<double>(sources_.models())));
  }
  families.push_back(CertificateExpiry(sources_));
  families.push_back(TracedCallsOf(sources_));
  if (sources_.log_lines_dropped) {
    families.push_back(FamilyOf(MetricType::Counter, "favor_log_lines_dropped_total",
                                "Lines of the log that nobody read in time, or that could not be written.",
                                {{{}, static_cast<double>(sources_.log_lines_dropped())}}));
  }
  AppendProcess(ReadProcessStats(), families);
  return families;
}

}  // namespace favor
