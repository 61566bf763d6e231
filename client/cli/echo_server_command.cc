#include "client/cli/echo_server_command.h"

#include <unistd.h>

#include <cerrno>
#include <memory>

#include "absl/status/statusor.h"
#include "client/cli/connection_flags.h"
#include "client/cli/failure.h"
#include "client/cli/flags.h"
#include "client/load/echo_server.h"

namespace favor::cli {
namespace {

constexpr char kHelp[] =
    R"(Answers bytes with bytes over gRPC and computes nothing, for favor bench --echo-endpoint to compare with.
Prints the address it listens on and runs until it is stopped. Anybody who reaches it may use it.

Usage: favor echo-server [flags]

Examples:
  favor echo-server
  favor echo-server --address 0.0.0.0:50052
  favor echo-server --address unix:/tmp/echo.sock

Exit code: 0 done, 1 it cannot listen there, 2 the command line makes no sense.
)";

void AwaitEndOfInput() {
  char ignored[256];
  while (true) {
    const ssize_t count = read(STDIN_FILENO, ignored, sizeof(ignored));
    if (count == 0 || (count < 0 && errno != EINTR)) return;
  }
}

}  // namespace

ExitCode RunEchoServer(absl::Span<const std::string> arguments, const Console& console) {
  std::string address = "127.0.0.1:50052";
  bool until_input_ends = false;
  FlagSet flags;
  flags.BeginSection("Flags");
  flags.Add("address", "ADDRESS", "host:port, port 0 picks one, or unix:/path. Default 127.0.0.1:50052.", &address);
  flags.Add("until-input-ends", "End when standard input does.", &until_input_ends);
  if (absl::Status status = flags.Parse(arguments); !status.ok()) {
    return FailUsage(status.message(), "echo-server", console);
  }
  if (flags.help_wanted()) {
    console.out << kHelp << flags.Help();
    return kExitOk;
  }
  const absl::StatusOr<std::unique_ptr<load::EchoServer>> server = load::EchoServer::Start(address);
  if (!server.ok()) {
    console.error << "favor echo-server: " << server.status().code() << ": " << server.status().message() << "\n";
    return kExitFailure;
  }
  console.out << (*server)->address() << std::endl;
  if (until_input_ends) {
    AwaitEndOfInput();
  } else {
    while (true) pause();
  }
  return kExitOk;
}

}  // namespace favor::cli
