#ifndef FAVOR_CLIENT_CLI_BENCH_OUTCOME_H_
#define FAVOR_CLIENT_CLI_BENCH_OUTCOME_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "client/cli/connection_flags.h"
#include "client/cli/console.h"
#include "client/cli/json.h"
#include "client/cli/load_turn.h"

namespace favor::cli {

// How a bench command ends: the report, which has ToJson() and PrintText(), and of every load by name what failed.
template <typename Report>
ExitCode EndBench(const Report& report, const std::vector<std::pair<std::string, const load::LoadResult*>>& loads,
                  absl::string_view command, const ConnectionFlags& connection, const Console& console) {
  if (connection.json) {
    console.out << ToText(ToJson(report)) << "\n";
  } else {
    PrintText(report, console.out);
  }
  bool all_well = true;
  for (const auto& [name, result] : loads) all_well = SayWhatFailed(*result, command, name, console) && all_well;
  return all_well ? kExitOk : kExitFailure;
}

}  // namespace favor::cli

#endif  // FAVOR_CLIENT_CLI_BENCH_OUTCOME_H_
