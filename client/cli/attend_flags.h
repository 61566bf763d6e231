#ifndef FAVOR_CLIENT_CLI_ATTEND_FLAGS_H_
#define FAVOR_CLIENT_CLI_ATTEND_FLAGS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/attend.h"
#include "client/cli/console.h"
#include "client/cli/flags.h"
#include "client/cli/spec_flags.h"
#include "client/cli/tensor_files.h"

namespace favor::cli {

// The flags of tensors that come from files.
void AddInputFileFlags(InputFiles* files, FlagSet* flags);

// InvalidArgumentError unless the files are given in one of the two ways.
absl::Status CheckInputFiles(const InputFiles& files);

// Every option of the Attend RPC as a flag, and what the command itself needs.
struct AttendFlags {
  InputFiles files;
  std::string output;
  bool compare = false;
  int64_t excerpt_rows = 4;

  SpecFlags spec;
  client::AttendOptions options;  // all but options.spec

  void AddTo(FlagSet* flags);

  // InvalidArgumentError for flags that contradict each other.
  absl::Status Validate(const FlagSet& flags) const;

  std::ostream& ReportStream(const Console& console) const { return console.out; }

  // The options of the call. `matrix`, if any, is sent when the call can use it.
  absl::StatusOr<client::AttendOptions> ToOptions(const FlagSet& flags,
                                                  const std::optional<client::TensorView>& matrix) const;
};

}  // namespace favor::cli

#endif  // FAVOR_CLIENT_CLI_ATTEND_FLAGS_H_
