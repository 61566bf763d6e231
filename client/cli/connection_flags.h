#ifndef FAVOR_CLIENT_CLI_CONNECTION_FLAGS_H_
#define FAVOR_CLIENT_CLI_CONNECTION_FLAGS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/cli/flags.h"
#include "client/client.h"

namespace favor::cli {

// The flags of every command that calls a server.
struct ConnectionFlags {
  std::string endpoint = "127.0.0.1:50051";
  bool tls = false;
  client::TlsOptions tls_options;
  std::string api_key_file;
  std::optional<client::Priority> priority;
  absl::Duration deadline = absl::Seconds(30);
  uint32_t retries = client::RetryOptions().max_retries;
  bool json = false;

  // Adds them to `flags`, with the defaults they hold now, and reads their environment variables.
  void AddTo(FlagSet* flags);
};

// Errors as Client::Connect and for an API key file that cannot be read.
absl::StatusOr<client::ClientOptions> ToClientOptions(const ConnectionFlags& flags);
absl::StatusOr<client::Client> Connect(const ConnectionFlags& flags);

// The flag of commands that use several servers at once, or one after the other.
struct ServerListFlags {
  std::string addresses;

  void AddTo(FlagSet* flags, const std::string& help);
  // InvalidArgumentError for a list with a hole in it.
  absl::Status Validate() const;
  // Those of the flag; without it the one of --endpoint.
  std::vector<std::string> Addresses(const ConnectionFlags& connection) const;
};

}  // namespace favor::cli

#endif  // FAVOR_CLIENT_CLI_CONNECTION_FLAGS_H_
