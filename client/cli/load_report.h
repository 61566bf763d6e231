#ifndef FAVOR_CLIENT_CLI_LOAD_REPORT_H_
#define FAVOR_CLIENT_CLI_LOAD_REPORT_H_

#include <ostream>
#include <string>

#include "absl/strings/string_view.h"
#include "client/cli/json.h"
#include "client/load/load_plan.h"
#include "client/load/load_result.h"

// What every report of a load has, for programs and for people.
namespace favor::cli {

// Seconds: {mean, p50, p90, p99, p999, max}.
Json ToJson(const load::DurationHistogram& times);
Json ToJson(const load::LoadResult& result);
Json PlanToJson(const load::LoadPlan& plan, int connections);

// "50 calls/s, poisson, at most 16 in flight on 1 connection"
std::string DescribeCalls(const load::LoadPlan& plan, int connections);
// "10s after 1s of warm-up"
std::string DescribeTime(const load::LoadPlan& plan);

// Calls, failures and throughput, to which `throughput` is added.
void PrintCalls(const load::LoadResult& result, const std::string& throughput, std::ostream& out);
// The headings of the times, and a line of times below them.
void PrintHeadings(std::ostream& out);
std::string TimesLine(absl::string_view name, const load::DurationHistogram& times);
// What whoever reads the figures must know.
void PrintNotes(const load::LoadResult& result, const load::LoadPlan& plan, std::ostream& out);

}  // namespace favor::cli

#endif  // FAVOR_CLIENT_CLI_LOAD_REPORT_H_
