#include "client/cli/load_turn.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "client/cli/progress.h"

namespace favor::cli {

load::LoadResult RunTurn(const load::LoadPlan& plan, const std::string& what, const load::LoadCall& call,
                         const Console& console) {
  load::LoadProgress counts;
  const Progress progress(console, [&](absl::Duration elapsed) {
    const std::string step = absl::StrCat(what, ", ", counts.succeeded.load(), " calls",
                                          counts.failed > 0 ? absl::StrCat(", ", counts.failed.load(), " failed") : "");
    return FractionLine(step, elapsed, plan.warm_up + plan.duration);
  });
  return load::RunLoad(plan, call, load::MonotonicClock(), &counts);
}

bool SayWhatFailed(const load::LoadResult& result, absl::string_view command, absl::string_view what,
                   const Console& console) {
  for (const auto& [code, failures] : result.failures) {
    console.error << "favor " << command << ": " << failures.count << " of " << result.sent << " " << what
                  << " calls failed: " << code << ": " << failures.first_message << "\n";
  }
  if (result.stopped_early) {
    console.error << "favor " << command << ": stopped early: for " << load::kGoneAfter << " every " << what
                  << " call was UNAVAILABLE\n";
  }
  if (!result.failures.empty() || result.stopped_early) return false;
  if (result.succeeded > 0) return true;
  console.error << "favor " << command << ": none of " << result.planned << " " << what
                << " calls that count was sent: the load is too short, or the server too slow for it\n";
  return false;
}

}  // namespace favor::cli
