#ifndef FAVOR_CLIENT_CLI_COMMANDS_H_
#define FAVOR_CLIENT_CLI_COMMANDS_H_

#include <string>

#include "absl/types/span.h"
#include "client/cli/console.h"

namespace favor::cli {

// The command `favor`. `arguments` come without the name of the program.
ExitCode RunFavor(absl::Span<const std::string> arguments, const Console& console);

}  // namespace favor::cli

#endif  // FAVOR_CLIENT_CLI_COMMANDS_H_
