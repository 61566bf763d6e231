#ifndef FAVOR_SERVER_CONFIG_SERVER_CONFIG_H_
#define FAVOR_SERVER_CONFIG_SERVER_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/config/access.h"
#include "server/observability/log.h"

namespace favor {

// A model to load at the start.
struct ModelSetting {
  std::string name;    // that requests give
  std::string folder;  // it is loaded from
};

// Everything that can be set about favord. Names, defaults, ranges and help stand in settings.cc, one entry each.
struct ServerConfig {
  std::vector<std::string> addresses;
  std::string port_file;
  std::string metrics_address;
  std::string tls_certificate;
  std::string tls_key;
  std::string tls_client_ca;
  std::string api_keys;
  int64_t key_rate = 0;
  int64_t key_burst = 0;
  int64_t key_calls = 0;
  absl::Duration reload_period;
  StandardAccess access;

  int64_t threads = 0;
  int64_t grpc_threads = 0;
  int64_t max_message_bytes = 0;
  int64_t memory_budget_bytes = 0;
  int64_t max_calls = 0;
  double low_priority_share = 0;
  double normal_priority_share = 0;
  int64_t max_concurrent_streams = 0;
  int64_t max_streams = 0;
  absl::Duration stream_idle_timeout;
  int64_t max_metadata_bytes = 0;
  absl::Duration handshake_timeout;
  absl::Duration keepalive_time;
  absl::Duration keepalive_timeout;
  absl::Duration min_ping_interval;
  absl::Duration max_connection_idle;
  absl::Duration max_connection_age;
  absl::Duration max_connection_age_grace;
  int64_t projection_cache_bytes = 0;

  std::vector<ModelSetting> models;
  bool model_admin = false;
  int64_t embed_batch_tokens = 0;
  int64_t embed_queue_tokens = 0;

  absl::Duration drain_delay;
  absl::Duration drain_timeout;
  LogLevel log_level = LogLevel::kInfo;
  int64_t log_every = 0;
  absl::Duration slow_call;

  std::string otlp_endpoint;  // empty: nothing is traced
  std::string otlp_ca;
  std::string otlp_service_name;
  double trace_sample_ratio = 0;
  double measure_sample_ratio = 0;
};

}  // namespace favor

#endif  // FAVOR_SERVER_CONFIG_SERVER_CONFIG_H_
