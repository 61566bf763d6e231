#ifndef FAVOR_CLIENT_CLI_CALIBRATE_COMMAND_H_
#define FAVOR_CLIENT_CLI_CALIBRATE_COMMAND_H_

#include <string>

#include "absl/types/span.h"
#include "client/cli/console.h"

namespace favor::cli {

// `favor calibrate`: statistics of a sample of queries and keys.
ExitCode RunCalibrate(absl::Span<const std::string> arguments, const Console& console);

}  // namespace favor::cli

#endif  // FAVOR_CLIENT_CLI_CALIBRATE_COMMAND_H_
