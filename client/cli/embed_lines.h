#ifndef FAVOR_CLIENT_CLI_EMBED_LINES_H_
#define FAVOR_CLIENT_CLI_EMBED_LINES_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "client/cli/connection_flags.h"
#include "client/cli/console.h"
#include "client/cli/embed_flags.h"

namespace favor::cli {

// `favor embed --stream`: sends lines as they come and prints their results in the order of the lines, each as soon as
// it is there. Some hundred lines are held, however many there are. The number of inputs that failed; an error when the
// input or the call did, after the results of what was sent before.
absl::StatusOr<int64_t> EmbedLines(const EmbedFlags& embed, const ConnectionFlags& connection, const Console& console);

}  // namespace favor::cli

#endif  // FAVOR_CLIENT_CLI_EMBED_LINES_H_
