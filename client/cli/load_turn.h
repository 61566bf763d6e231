#ifndef FAVOR_CLIENT_CLI_LOAD_TURN_H_
#define FAVOR_CLIENT_CLI_LOAD_TURN_H_

#include <string>

#include "absl/strings/string_view.h"
#include "client/cli/console.h"
#include "client/load/load_run.h"

namespace favor::cli {

// Runs one turn of a plan with a bar that shows how far it is. `what` is called, as in "attend".
load::LoadResult RunTurn(const load::LoadPlan& plan, const std::string& what, const load::LoadCall& call,
                         const Console& console);

// Whether all went well; says on standard error what did not.
bool SayWhatFailed(const load::LoadResult& result, absl::string_view command, absl::string_view what,
                   const Console& console);

}  // namespace favor::cli

#endif  // FAVOR_CLIENT_CLI_LOAD_TURN_H_
