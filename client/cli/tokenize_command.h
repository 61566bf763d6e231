#ifndef FAVOR_CLIENT_CLI_TOKENIZE_COMMAND_H_
#define FAVOR_CLIENT_CLI_TOKENIZE_COMMAND_H_

#include <string>

#include "absl/types/span.h"
#include "client/cli/console.h"

namespace favor::cli {

// favor tokenize
ExitCode RunTokenize(absl::Span<const std::string> arguments, const Console& console);

}  // namespace favor::cli

#endif  // FAVOR_CLIENT_CLI_TOKENIZE_COMMAND_H_
