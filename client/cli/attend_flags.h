#ifndef FAVOR_CLIENT_CLI_ATTEND_FLAGS_H_
#define FAVOR_CLIENT_CLI_ATTEND_FLAGS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/attend.h"
#include "client/cli/flags.h"
#include "client/cli/names.h"
#include "client/cli/tensor_files.h"

namespace favor::cli {

// Every option of the Attend RPC as a flag, and what the command itself needs.
struct AttendFlags {
  InputFiles files;
  std::string output;
  bool compare = false;
  int64_t excerpt_rows = 4;

  Mode mode = Mode::kFeatures;
  client::AttendOptions options;  // all but options.spec.mode
  client::FeatureSpec features;
  client::AutoSpec automatic;
  bool epsilon_parity = false;
  client::EpsilonParity parity;
  std::string statistics_file;

  void AddTo(FlagSet* flags);

  // InvalidArgumentError for flags that contradict each other.
  absl::Status Validate(const FlagSet& flags) const;

  // The options of the call. `matrix`, if any, is sent when the call can use it.
  absl::StatusOr<client::AttendOptions> ToOptions(const FlagSet& flags,
                                                  const std::optional<client::TensorView>& matrix) const;
};

}  // namespace favor::cli

#endif  // FAVOR_CLIENT_CLI_ATTEND_FLAGS_H_
