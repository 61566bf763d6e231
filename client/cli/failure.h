#ifndef FAVOR_CLIENT_CLI_FAILURE_H_
#define FAVOR_CLIENT_CLI_FAILURE_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "client/cli/connection_flags.h"
#include "client/cli/console.h"
#include "client/cli/json.h"

namespace favor::cli {

// {"error": {"code", "message", "field_violations"}}
Json ErrorToJson(const absl::Status& status);

// Says what went wrong, and what might help, on `error`; with --json also as JSON on `out`. Returns kExitFailure.
ExitCode Fail(const absl::Status& status, absl::string_view command, const ConnectionFlags& connection,
              const Console& console);
// Likewise of something else than the server of the connection flags: `hint` is what might help, empty for nothing.
ExitCode FailWithHint(const absl::Status& status, absl::string_view command, absl::string_view hint,
                      const ConnectionFlags& connection, const Console& console);

// Says what is wrong with the command line. Returns kExitUsage.
ExitCode FailUsage(absl::string_view message, absl::string_view command, const Console& console);

}  // namespace favor::cli

#endif  // FAVOR_CLIENT_CLI_FAILURE_H_
