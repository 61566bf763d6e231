#include "server/config/settings.h"

#include <algorithm>
#include <cstdint>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "server/config/machine.h"
#include "server/config/otlp_endpoint.h"
#include "server/config/quantity.h"

namespace favor {
namespace {

constexpr int64_t kKiB = 1 << 10;
constexpr int64_t kMaxMessageBytes = (int64_t{1} << 31) - 1;  // Protobuf's own bound
constexpr int64_t kMaxMemoryBytes = int64_t{1} << 50;

absl::Status CheckRange(int64_t value, int64_t low, int64_t high, std::string (*format)(int64_t)) {
  if (value >= low && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(format(value), " is out of range, must be ", format(low), " to ", format(high)));
}

std::string FormatInteger(int64_t value) { return absl::StrCat(value); }

// A whole number or a number of bytes. `automatic`, where there is one, gives the value of "auto".
Setting NumberSetting(std::string name, std::string hint, std::string default_value, int64_t ServerConfig::*field,
                      int64_t low, int64_t high, bool is_bytes, std::function<int64_t()> automatic, std::string help) {
  const auto format = is_bytes ? FormatBytes : FormatInteger;
  Setting setting{std::move(name), std::move(hint), std::move(default_value),
                  absl::StrCat(format(low), " to ", format(high), automatic ? ", or auto" : ""), std::move(help)};
  setting.set = [=](absl::string_view text, ServerConfig* config) {
    if (automatic && text == "auto") {
      config->*field = std::clamp(automatic(), low, high);
      return absl::OkStatus();
    }
    const absl::StatusOr<int64_t> value = is_bytes ? ParseBytes(text) : ParseInteger(text);
    if (!value.ok()) return value.status();
    config->*field = *value;
    return CheckRange(*value, low, high, format);
  };
  setting.show = [=](const ServerConfig& config) { return format(config.*field); };
  return setting;
}

Setting IntegerSetting(std::string name, std::string default_value, int64_t ServerConfig::*field, int64_t low,
                       int64_t high, std::string help, std::function<int64_t()> automatic = nullptr) {
  return NumberSetting(std::move(name), "N", std::move(default_value), field, low, high, false, std::move(automatic),
                       std::move(help));
}

Setting BytesSetting(std::string name, std::string default_value, int64_t ServerConfig::*field, int64_t low,
                     int64_t high, std::string help, std::function<int64_t()> automatic = nullptr) {
  return NumberSetting(std::move(name), "BYTES", std::move(default_value), field, low, high, true, std::move(automatic),
                       std::move(help));
}

Setting DelaySetting(std::string name, std::string default_value, absl::Duration ServerConfig::*field,
                     std::string help) {
  constexpr absl::Duration kLongest = absl::Hours(24);
  Setting setting{std::move(name), "DURATION", std::move(default_value), "0s to 24h", std::move(help)};
  setting.set = [=](absl::string_view text, ServerConfig* config) {
    const absl::StatusOr<absl::Duration> delay = ParseDelay(text);
    if (!delay.ok()) return delay.status();
    if (*delay > kLongest) return absl::InvalidArgumentError(absl::StrCat(text, " is out of range, at most 24h"));
    config->*field = *delay;
    return absl::OkStatus();
  };
  setting.show = [=](const ServerConfig& config) { return absl::FormatDuration(config.*field); };
  return setting;
}

Setting FileSetting(std::string name, std::string ServerConfig::*field, std::string help) {
  Setting setting{std::move(name), "FILE", "", "", std::move(help)};
  setting.set = [=](absl::string_view text, ServerConfig* config) {
    config->*field = std::string(text);
    return absl::OkStatus();
  };
  setting.show = [=](const ServerConfig& config) { return config.*field; };
  return setting;
}

Setting AddressSetting() {
  Setting setting{"address", "ADDRESS", "127.0.0.1:50051", "host:port or unix:/path",
                  "Where to serve gRPC; port 0 picks one. May be repeated, and lists may be separated by commas."};
  setting.is_list = true;
  setting.set = [](absl::string_view text, ServerConfig* config) {
    config->addresses.clear();
    for (absl::string_view address : absl::StrSplit(text, ',')) {
      address = absl::StripAsciiWhitespace(address);
      if (absl::Status status = CheckAddress(address, /*may_be_unix=*/true); !status.ok()) return status;
      config->addresses.emplace_back(address);
    }
    return absl::OkStatus();
  };
  setting.show = [](const ServerConfig& config) { return absl::StrJoin(config.addresses, ","); };
  return setting;
}

Setting MetricsAddressSetting() {
  Setting setting{"metrics-address", "ADDRESS", "127.0.0.1:9464", "host:port, or empty for none",
                  "Where to serve Prometheus metrics, at /metrics, by IPv4; port 0 picks one."};
  setting.set = [](absl::string_view text, ServerConfig* config) {
    config->metrics_address = std::string(text);
    if (text.empty()) return absl::OkStatus();
    if (absl::Status status = CheckAddress(text, /*may_be_unix=*/false); !status.ok()) return status;
    if (text.front() != '[') return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(
        "'", text, "' is an address of IPv6, which the HTTP server of the metrics does not speak: use one of IPv4"));
  };
  setting.show = [](const ServerConfig& config) { return config.metrics_address; };
  return setting;
}

Setting SwitchSetting(std::string name, bool ServerConfig::*field, std::string help) {
  Setting setting{std::move(name), "BOOL", "false", "true or false", std::move(help)};
  setting.set = [=](absl::string_view text, ServerConfig* config) {
    if (text != "true" && text != "false") {
      return absl::InvalidArgumentError(absl::StrCat("'", text, "' is neither true nor false"));
    }
    config->*field = text == "true";
    return absl::OkStatus();
  };
  setting.show = [=](const ServerConfig& config) { return config.*field ? "true" : "false"; };
  return setting;
}

// "NAME=FOLDER", or a folder whose last part is the name.
absl::StatusOr<ModelSetting> ParseModel(absl::string_view text) {
  const size_t equals = text.find('=');
  const bool has_name = equals != text.npos;
  absl::string_view folder = has_name ? text.substr(equals + 1) : text;
  absl::string_view name = text.substr(0, has_name ? equals : text.size());
  if (!has_name) {
    while (absl::EndsWith(name, "/")) name.remove_suffix(1);
    name = name.substr(name.rfind('/') + 1);  // npos + 1 is 0
  }
  if (name.empty() || folder.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("'", text, "' is no model, expected NAME=FOLDER or FOLDER"));
  }
  return ModelSetting{std::string(name), std::string(folder)};
}

Setting ModelsSetting() {
  Setting setting{
      "model", "NAME=FOLDER", "", "NAME=FOLDER or FOLDER",
      "A model to load at the start and at SIGHUP; without a name, the last part of the folder is its name. "
      "May be repeated, and lists may be separated by commas or blanks."};
  setting.is_list = true;
  setting.set = [](absl::string_view text, ServerConfig* config) {
    config->models.clear();
    for (const absl::string_view item : absl::StrSplit(text, absl::ByAnyChar(", \t\n"), absl::SkipEmpty())) {
      absl::StatusOr<ModelSetting> model = ParseModel(item);
      if (!model.ok()) return model.status();
      for (const ModelSetting& other : config->models) {
        if (other.name != model->name) continue;
        return absl::InvalidArgumentError(
            absl::StrCat("two models have the name ", model->name, ": ", other.folder, " and ", model->folder));
      }
      config->models.push_back(*std::move(model));
    }
    return absl::OkStatus();
  };
  setting.show = [](const ServerConfig& config) {
    return absl::StrJoin(config.models, ",", [](std::string* out, const ModelSetting& model) {
      absl::StrAppend(out, model.name, "=", model.folder);
    });
  };
  return setting;
}

Setting LogLevelSetting() {
  static constexpr const char* kNames[] = {"error", "warning", "info", "debug"};  // in the order of LogLevel
  Setting setting{"log-level", "LEVEL", "info", "error, warning, info, debug",
                  "What to log, as JSON lines on standard error; info has one line per call."};
  setting.set = [](absl::string_view text, ServerConfig* config) {
    for (size_t i = 0; i < std::size(kNames); ++i) {
      if (text != kNames[i]) continue;
      config->log_level = static_cast<LogLevel>(i);
      return absl::OkStatus();
    }
    return absl::InvalidArgumentError(absl::StrCat("'", text, "' is none of error, warning, info, debug"));
  };
  setting.show = [](const ServerConfig& config) { return kNames[static_cast<size_t>(config.log_level)]; };
  return setting;
}

Setting OtlpEndpointSetting() {
  Setting setting{"otlp-endpoint", "URL", "", "http://host:port or https://host:port, or empty for none",
                  "Collector to send traces to, as OTLP over gRPC; https is TLS."};
  setting.standard_variables = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"};
  setting.set = [](absl::string_view text, ServerConfig* config) {
    config->otlp_endpoint = std::string(text);
    return text.empty() ? absl::OkStatus() : ParseOtlpEndpoint(text).status();
  };
  setting.show = [](const ServerConfig& config) { return config.otlp_endpoint; };
  return setting;
}

Setting ServiceNameSetting() {
  Setting setting{"otlp-service-name", "NAME", "favord", "1 to 255 characters", "Name of this service in traces."};
  setting.standard_variables = {"OTEL_SERVICE_NAME"};
  setting.set = [](absl::string_view text, ServerConfig* config) {
    config->otlp_service_name = std::string(text);
    return CheckRange(static_cast<int64_t>(text.size()), 1, 255, FormatInteger);
  };
  setting.show = [](const ServerConfig& config) { return config.otlp_service_name; };
  return setting;
}

Setting RatioSetting(std::string name, std::string default_value, double ServerConfig::*field, std::string help) {
  Setting setting{std::move(name), "RATIO", std::move(default_value), "0 to 1", std::move(help)};
  setting.set = [=](absl::string_view text, ServerConfig* config) {
    const absl::StatusOr<double> ratio = ParseRatio(text);
    if (ratio.ok()) config->*field = *ratio;
    return ratio.status();
  };
  setting.show = [=](const ServerConfig& config) { return absl::StrCat(config.*field); };
  return setting;
}

Setting OtlpCaSetting() {
  Setting setting = FileSetting("otlp-ca", &ServerConfig::otlp_ca,
                                "PEM certificates to trust of an https collector; none: those of the machine.");
  setting.standard_variables = {"OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"};
  return setting;
}

Setting AccessSetting(std::string name, std::string default_value, Access StandardAccess::*field, std::string what) {
  static constexpr const char* kNames[] = {"open", "key", "off"};  // in the order of Access
  Setting setting{
      std::move(name), "ACCESS", std::move(default_value), "open, key, off",
      absl::StrCat("Who may call ", what, ". open: everybody; key: who may call favord's own services; off: nobody.")};
  setting.set = [=](absl::string_view text, ServerConfig* config) {
    for (size_t i = 0; i < std::size(kNames); ++i) {
      if (text != kNames[i]) continue;
      config->access.*field = static_cast<Access>(i);
      return absl::OkStatus();
    }
    return absl::InvalidArgumentError(absl::StrCat("'", text, "' is none of open, key, off"));
  };
  setting.show = [=](const ServerConfig& config) { return kNames[static_cast<size_t>(config.access.*field)]; };
  return setting;
}

std::vector<Setting> MakeSettings() {
  return {
      AddressSetting(),
      MetricsAddressSetting(),
      FileSetting("port-file", &ServerConfig::port_file,
                  "Write the port of the first host:port address to this file once the server listens."),
      FileSetting("tls-certificate", &ServerConfig::tls_certificate,
                  "PEM certificate chain; serves TLS on every host:port address. Needs tls-key."),
      FileSetting("tls-key", &ServerConfig::tls_key, "PEM private key of the certificate."),
      FileSetting("tls-client-ca", &ServerConfig::tls_client_ca,
                  "PEM certificates; clients must show a certificate signed by one of them."),
      FileSetting("api-keys", &ServerConfig::api_keys,
                  "Keys that calls must show, as `authorization: Bearer KEY`: lines of a name and the SHA-256 of a key "
                  "in hexadecimal, and maybe rate=, burst=, calls=, priority= and admin."),
      IntegerSetting("key-rate", "0", &ServerConfig::key_rate, 0, 1'000'000'000,
                     "Calls per second of a key whose line gives no rate; 0: no limit."),
      IntegerSetting("key-burst", "0", &ServerConfig::key_burst, 0, 1'000'000'000,
                     "Calls that such a key may make at once after a pause; 0: those of a second."),
      IntegerSetting("key-calls", "0", &ServerConfig::key_calls, 0, 1'000'000'000,
                     "Calls under way at once of a key whose line gives no number; 0: no limit."),
      DelaySetting("reload-period", "10s", &ServerConfig::reload_period,
                   "How often certificates and API keys are looked at for changes; 0s: only at SIGHUP."),
      AccessSetting("health-access", "open", &StandardAccess::health, "grpc.health.v1.Health"),
      AccessSetting("reflection-access", "key", &StandardAccess::reflection, "gRPC's reflection"),
      AccessSetting("channelz-access", "key", &StandardAccess::channelz,
                    "gRPC's channelz, which tells of peers and their connections"),
      IntegerSetting("threads", "auto", &ServerConfig::threads, 1, 1024,
                     "Threads of the compute pool; auto: the CPUs this process may use.", UsableCpus),
      IntegerSetting("grpc-threads", "1", &ServerConfig::grpc_threads, 1, 64,
                     "Threads that move messages between gRPC and the compute pool."),
      BytesSetting("max-message-size", "256MiB", &ServerConfig::max_message_bytes, kKiB, kMaxMessageBytes,
                   "Largest request and largest response."),
      BytesSetting(
          "memory-budget", "auto", &ServerConfig::memory_budget_bytes, kKiB, kMaxMemoryBytes,
          "Memory of all admitted calls and all models together; more is refused. auto: half of the memory this "
          "process may use.",
          [] { return UsableMemoryBytes() / 2; }),
      IntegerSetting("max-calls", "1024", &ServerConfig::max_calls, 1, 1 << 20,
                     "Calls admitted at once; more are refused."),
      RatioSetting(
          "low-priority-share", "0.5", &ServerConfig::low_priority_share,
          "Calls of low priority are admitted while memory-budget, max-calls and embed-queue-tokens are filled "
          "up to this share."),
      RatioSetting("normal-priority-share", "0.9", &ServerConfig::normal_priority_share,
                   "The same for calls of normal priority; what is above is for those of high priority."),
      IntegerSetting("max-concurrent-streams", "256", &ServerConfig::max_concurrent_streams, 1, 1 << 20,
                     "Calls of one connection at once; more wait in the client."),
      IntegerSetting("max-streams", "256", &ServerConfig::max_streams, 1, 1 << 20,
                     "Streams (EmbedStream, AttendStream) open at once; more are refused."),
      DelaySetting("stream-idle-timeout", "5m", &ServerConfig::stream_idle_timeout,
                   "A stream or call that waits for its client alone, to send a message or to take one, is ended after "
                   "this; 0s: never."),
      BytesSetting("max-metadata-size", "16KiB", &ServerConfig::max_metadata_bytes, kKiB, 1 << 20,
                   "Largest metadata of a call, each entry counted with 32 bytes more."),
      DelaySetting("handshake-timeout", "10s", &ServerConfig::handshake_timeout,
                   "Time for a new connection to begin speaking HTTP/2, TLS included, before it is closed."),
      DelaySetting("keepalive-time", "2m", &ServerConfig::keepalive_time,
                   "Silence of a client after which it is asked whether it is there; 0s: never."),
      DelaySetting("keepalive-timeout", "20s", &ServerConfig::keepalive_timeout,
                   "Time for it to answer before its connection is closed."),
      DelaySetting("min-ping-interval", "10s", &ServerConfig::min_ping_interval,
                   "Clients that ping more often than that while no data flows lose their connection."),
      DelaySetting("max-connection-idle", "30m", &ServerConfig::max_connection_idle,
                   "Connections without a call for so long are closed; clients connect again; 0s: never."),
      DelaySetting("max-connection-age", "0s", &ServerConfig::max_connection_age,
                   "Connections as old as that, give or take a tenth, are closed once their calls have ended, so that "
                   "clients spread over new replicas; 0s: never."),
      DelaySetting("max-connection-age-grace", "10m", &ServerConfig::max_connection_age_grace,
                   "After max-connection-age: time for calls to end before they are cancelled; 0s: any."),
      BytesSetting("projection-cache-size", "256MiB", &ServerConfig::projection_cache_bytes, 0, kMaxMemoryBytes,
                   "Memory for projections that were drawn, beside the memory budget."),
      ModelsSetting(),
      SwitchSetting("model-admin", &ServerConfig::model_admin,
                    "Serve LoadModel and UnloadModel, which read any folder that this process can read."),
      IntegerSetting("embed-batch-tokens", "4096", &ServerConfig::embed_batch_tokens, 1, 1 << 20,
                     "Tokens of inputs that are embedded together; a longer input is a batch by itself."),
      IntegerSetting("embed-queue-tokens", "65536", &ServerConfig::embed_queue_tokens, 1, 1 << 30,
                     "Tokens that may wait for a batch, a call counted for one batch at most; more are refused."),
      DelaySetting("drain-delay", "5s", &ServerConfig::drain_delay,
                   "After SIGTERM: time to go on serving with health NOT_SERVING, so that balancers notice."),
      DelaySetting("drain-timeout", "30s", &ServerConfig::drain_timeout,
                   "After the drain delay: time for calls in flight to finish before they are cancelled."),
      LogLevelSetting(),
      IntegerSetting("log-every", "1", &ServerConfig::log_every, 0, 1'000'000'000,
                     "Of calls that went well or were refused for lack of room, one in so many is logged; 0: none."),
      DelaySetting("slow-call", "10s", &ServerConfig::slow_call,
                   "Calls that take so long are logged as warnings, whatever log-every says; 0s: none."),
      OtlpEndpointSetting(),
      OtlpCaSetting(),
      ServiceNameSetting(),
      RatioSetting("trace-sample-ratio", "0.01", &ServerConfig::trace_sample_ratio,
                   "Share of calls to trace of those whose callers have not decided; callers' decisions hold."),
      RatioSetting("measure-sample-ratio", "0.01", &ServerConfig::measure_sample_ratio,
                   "Share of approximate Attend calls whose error is measured once they have been answered, for "
                   "favor_live_error; 0: none."),
  };
}

}  // namespace

std::string Setting::EnvironmentName() const {
  return absl::StrCat("FAVORD_", absl::AsciiStrToUpper(absl::StrReplaceAll(name, {{"-", "_"}})));
}

const std::vector<Setting>& AllSettings() {
  static const auto* settings = new std::vector<Setting>(MakeSettings());
  return *settings;
}

const Setting* FindSetting(absl::string_view name) {
  for (const Setting& setting : AllSettings()) {
    if (setting.name == name) return &setting;
  }
  return nullptr;
}

namespace {

// What two sockets would be refused for, and a port file that has no port to hold.
absl::Status CheckAddresses(const ServerConfig& config) {
  bool has_port = false;
  for (auto address = config.addresses.begin(); address != config.addresses.end(); ++address) {
    has_port = has_port || UnixPath(*address).empty();
    const auto collides = [address](const std::string& other) { return Collide(*address, other); };
    if (!config.metrics_address.empty() && collides(config.metrics_address)) {
      return absl::InvalidArgumentError(
          absl::StrCat("address ", *address, " and metrics-address ", config.metrics_address, " are the same"));
    }
    const auto second = std::find_if(std::next(address), config.addresses.end(), collides);
    if (second != config.addresses.end()) {
      return absl::InvalidArgumentError(absl::StrCat("address ", *address, " and address ", *second, " are the same"));
    }
  }
  if (config.port_file.empty() || has_port) return absl::OkStatus();
  return absl::InvalidArgumentError("port-file needs an address host:port, there are Unix sockets alone");
}

}  // namespace

absl::Status CheckTogether(const ServerConfig& config) {
  if (config.tls_certificate.empty() != config.tls_key.empty()) {
    return absl::InvalidArgumentError("tls-certificate and tls-key must be given together");
  }
  if (!config.tls_client_ca.empty() && config.tls_certificate.empty()) {
    return absl::InvalidArgumentError("tls-client-ca needs tls-certificate and tls-key");
  }
  if (config.low_priority_share > config.normal_priority_share) {
    return absl::InvalidArgumentError(absl::StrCat("low-priority-share is ", config.low_priority_share,
                                                   ", must be at most normal-priority-share, which is ",
                                                   config.normal_priority_share));
  }
  return CheckAddresses(config);
}

}  // namespace favor
