#include "client/cli/health_command.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/cli/connection_flags.h"
#include "client/cli/failure.h"
#include "client/cli/flags.h"
#include "client/cli/json.h"
#include "client/cli/names.h"
#include "client/client.h"

namespace favor::cli {
namespace {

constexpr char kHelp[] =
    R"(Asks a server whether it takes calls (grpc.health.v1). Made for container and load balancer checks.

Usage: favor health [flags]

Examples:
  favor health
  favor health --service favor.v1.AttentionService --deadline 500ms
  favor health --endpoint unix:/run/favord.sock --service liveness
  favor health --watch

Exit code: 0 serving, 1 not serving, not known or not reached, 2 the command line makes no sense.
)";

constexpr absl::Duration kDefaultDeadline = absl::Seconds(2);
constexpr absl::Duration kPauseBetweenWatches = absl::Seconds(1);

struct HealthFlags {
  std::string service;
  bool watch = false;
  ConnectionFlags connection;
};

void PrintStatus(const HealthFlags& flags, absl::string_view status, std::ostream& out) {
  if (flags.connection.json) {
    out << ToText({{"service", flags.service}, {"status", std::string(status)}}, -1) << std::endl;
  } else {
    out << (flags.watch ? absl::StrCat(absl::FormatTime("%Y-%m-%dT%H:%M:%S%Ez ", absl::Now(), absl::LocalTimeZone()))
                        : "")
        << status << std::endl;
  }
}

ExitCode Check(const client::Client& client, const HealthFlags& flags, const Console& console) {
  const absl::StatusOr<client::ServingStatus> status = client.CheckHealth(flags.service);
  if (!status.ok()) return Fail(status.status(), "health", flags.connection, console);
  PrintStatus(flags, NameOfValue(*status), console.out);
  return *status == client::ServingStatus::kServing ? kExitOk : kExitFailure;
}

// Prints every change until the deadline, through restarts of the server.
ExitCode Watch(const HealthFlags& flags, const Console& console) {
  const absl::Time deadline = absl::Now() + flags.connection.deadline;
  std::string last;
  const auto on_status = [&](const std::string& status) {
    if (status != last) PrintStatus(flags, status, console.out);
    last = status;
  };
  while (absl::Now() < deadline) {
    ConnectionFlags connection = flags.connection;
    connection.deadline = deadline - absl::Now();
    const absl::StatusOr<client::Client> client = Connect(connection);
    if (!client.ok()) return Fail(client.status(), "health", connection, console);
    const absl::Status ended = client->WatchHealth(flags.service, [&](client::ServingStatus status) {
      on_status(NameOfValue(status));
      return true;
    });
    if (absl::IsDeadlineExceeded(ended)) break;
    if (!ended.ok() && !absl::IsUnavailable(ended)) return Fail(ended, "health", connection, console);
    on_status("UNREACHABLE");
    absl::SleepFor(std::min(kPauseBetweenWatches, deadline - absl::Now()));
  }
  return last == NameOfValue(client::ServingStatus::kServing) ? kExitOk : kExitFailure;
}

}  // namespace

ExitCode RunHealth(absl::Span<const std::string> arguments, const Console& console) {
  HealthFlags health;
  // A check is repeated by whoever asks for it.
  health.connection.retries = 0;
  health.connection.deadline = kDefaultDeadline;
  FlagSet flags;
  flags.BeginSection("Health");
  flags.Add("service", "NAME", "Full name of a service, or liveness. Default: the server as a whole.", &health.service);
  flags.Add("watch", "Print the status now and after every change, until --deadline (by default: forever).",
            &health.watch);
  health.connection.AddTo(&flags);
  if (absl::Status status = flags.Parse(arguments); !status.ok()) return FailUsage(status.message(), "health", console);
  if (flags.help_wanted()) {
    console.out << kHelp << flags.Help();
    return kExitOk;
  }
  if (health.watch) {
    if (!flags.IsSet("deadline")) health.connection.deadline = absl::InfiniteDuration();
    return Watch(health, console);
  }
  const absl::StatusOr<client::Client> client = Connect(health.connection);
  if (!client.ok()) return Fail(client.status(), "health", health.connection, console);
  return Check(*client, health, console);
}

}  // namespace favor::cli
