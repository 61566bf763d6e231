#ifndef FAVOR_CLIENT_CLI_SERVER_COMMAND_H_
#define FAVOR_CLIENT_CLI_SERVER_COMMAND_H_

#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"
#include "client/cli/connection_flags.h"
#include "client/cli/console.h"
#include "client/cli/failure.h"
#include "client/cli/flags.h"
#include "client/cli/json.h"

namespace favor::cli {

// A command that calls servers, from its arguments to its exit code.
struct ServerCommand {
  const char* name;
  const char* help;                 // what stands above the flags
  ConnectionFlags connection = {};  // with the defaults of this command
};

// Parses the arguments, answers --help, has `run` do the work and prints what came of it, as text or as JSON.
// `Flags` has AddTo(FlagSet*), Validate(const FlagSet&) and ReportStream(const Console&), where the report goes;
// `Outcome` has ToJson(outcome) and PrintText(outcome, std::ostream&) beside it. `run` is
// absl::Status(const Flags&, const FlagSet&, const ConnectionFlags&, const Console&, Outcome*).
template <typename Flags, typename Outcome, typename Run>
ExitCode RunServerCommand(ServerCommand command, absl::Span<const std::string> arguments, const Console& console,
                          const Run& run) {
  Flags own;
  FlagSet flags;
  own.AddTo(&flags);
  command.connection.AddTo(&flags);
  absl::Status status = flags.Parse(arguments);
  if (status.ok() && flags.help_wanted()) {
    console.out << command.help << flags.Help();
    return kExitOk;
  }
  if (status.ok()) status = own.Validate(flags);
  if (!status.ok()) return FailUsage(status.message(), command.name, console);
  Outcome outcome;
  status = run(own, flags, command.connection, console, &outcome);
  if (!status.ok()) {
    if constexpr (requires { own.servers; }) {  // several, in the place of one
      command.connection.endpoint = absl::StrJoin(own.servers.Addresses(command.connection), ",");
    }
    return Fail(status, command.name, command.connection, console);
  }
  std::ostream& out = own.ReportStream(console);
  if (command.connection.json) {
    out << ToText(ToJson(outcome)) << "\n";
  } else {
    PrintText(outcome, out);
  }
  return kExitOk;
}

}  // namespace favor::cli

#endif  // FAVOR_CLIENT_CLI_SERVER_COMMAND_H_
