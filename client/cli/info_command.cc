#include "client/cli/info_command.h"

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/connection_flags.h"
#include "client/cli/failure.h"
#include "client/cli/flags.h"
#include "client/cli/json.h"
#include "client/client.h"

namespace favor::cli {
namespace {

constexpr char kHelp[] =
    R"(Prints what a server is and what it accepts.

Usage: favor info [flags]

Examples:
  favor info
  favor info --endpoint favord.example:443 --tls --json

Exit code: 0 done, 1 no answer, 2 the command line makes no sense.
)";

Json ToJson(const client::ServerInfo& info) {
  return {{"version", info.version},
          {"build", info.build},
          {"cpu_target", info.cpu_target},
          {"num_compute_threads", info.num_compute_threads},
          {"limits",
           {{"max_message_bytes", info.max_message_bytes},
            {"memory_budget_bytes", info.memory_budget_bytes},
            {"max_num_features", info.max_num_features},
            {"max_head_dim", info.max_head_dim},
            {"max_value_dim", info.max_value_dim},
            {"max_inputs_per_request", info.max_inputs_per_request}}}};
}

void PrintText(const client::ServerInfo& info, std::ostream& out) {
  const auto line = [&out](absl::string_view name, const std::string& value) {
    out << absl::StreamFormat("%-19s%s\n", name, value);
  };
  const auto mebibytes = [](int64_t bytes) {
    return absl::StrFormat("%.0f MiB", static_cast<double>(bytes) / (1 << 20));
  };
  line("version", info.version);
  line("build", info.build);
  line("cpu target", info.cpu_target);
  line("compute threads", absl::StrCat(info.num_compute_threads));
  line("largest message", mebibytes(info.max_message_bytes));
  line("memory budget", mebibytes(info.memory_budget_bytes));
  line("most features", absl::StrCat(info.max_num_features));
  line("largest head dim", absl::StrCat(info.max_head_dim));
  line("largest value dim", absl::StrCat(info.max_value_dim));
  line("most inputs", absl::StrCat(info.max_inputs_per_request));
}

absl::StatusOr<client::ServerInfo> GetServerInfo(const ConnectionFlags& connection) {
  const absl::StatusOr<client::Client> client = Connect(connection);
  if (!client.ok()) return client.status();
  return client->GetServerInfo();
}

}  // namespace

ExitCode RunInfo(absl::Span<const std::string> arguments, const Console& console) {
  ConnectionFlags connection;
  FlagSet flags;
  connection.AddTo(&flags);
  if (absl::Status status = flags.Parse(arguments); !status.ok()) return FailUsage(status.message(), "info", console);
  if (flags.help_wanted()) {
    console.out << kHelp << flags.Help();
    return kExitOk;
  }
  const absl::StatusOr<client::ServerInfo> info = GetServerInfo(connection);
  if (!info.ok()) return Fail(info.status(), "info", connection, console);
  if (connection.json) {
    console.out << ToText(ToJson(*info)) << "\n";
  } else {
    PrintText(*info, console.out);
  }
  return kExitOk;
}

}  // namespace favor::cli
