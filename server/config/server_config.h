#ifndef FAVOR_SERVER_CONFIG_SERVER_CONFIG_H_
#define FAVOR_SERVER_CONFIG_SERVER_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
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

  int64_t threads = 0;
  int64_t grpc_threads = 0;
  int64_t max_message_bytes = 0;
  int64_t memory_budget_bytes = 0;
  int64_t max_calls = 0;
  int64_t max_concurrent_streams = 0;
  int64_t max_streams = 0;
  absl::Duration stream_idle_timeout;
  int64_t projection_cache_bytes = 0;

  std::vector<ModelSetting> models;
  bool model_admin = false;
  int64_t embed_batch_tokens = 0;
  int64_t embed_queue_tokens = 0;

  absl::Duration drain_delay;
  absl::Duration drain_timeout;
  LogLevel log_level = LogLevel::kInfo;
};

}  // namespace favor

#endif  // FAVOR_SERVER_CONFIG_SERVER_CONFIG_H_
