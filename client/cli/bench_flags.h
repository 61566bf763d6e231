#ifndef FAVOR_CLIENT_CLI_BENCH_FLAGS_H_
#define FAVOR_CLIENT_CLI_BENCH_FLAGS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "client/attend.h"
#include "client/cli/connection_flags.h"
#include "client/cli/flags.h"
#include "client/cli/load_flags.h"
#include "client/cli/spec_flags.h"
#include "client/load/attend_load.h"

namespace favor::cli {

// Every flag of `favor bench` but those of the connection.
struct BenchFlags {
  LoadFlags load;

  load::AttendShape shape;
  std::optional<int64_t> key_heads, key_length, value_dim;
  SpecFlags spec;
  client::AttendOptions options;  // its spec is made of `spec` by Complete

  bool echo = false;
  std::string echo_endpoint;

  void AddTo(FlagSet* flags);

  // Fills in what follows from other flags. InvalidArgumentError for flags that make no sense, alone or together.
  absl::Status Complete(const FlagSet& flags, const ConnectionFlags& connection);
};

}  // namespace favor::cli

#endif  // FAVOR_CLIENT_CLI_BENCH_FLAGS_H_
