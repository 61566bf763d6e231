#include "client/cli/load_report.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/load_flags.h"
#include "client/cli/report_text.h"
#include "client/cli/wrap.h"

namespace favor::cli {

using load::DurationHistogram;
using load::LoadResult;

namespace {

bool Closed(const load::LoadPlan& plan) { return plan.loop == load::Loop::kClosed; }

}  // namespace

Json ToJson(const DurationHistogram& times) {
  return {{"mean", absl::ToDoubleSeconds(times.Mean())},          {"p50", absl::ToDoubleSeconds(times.Quantile(0.5))},
          {"p90", absl::ToDoubleSeconds(times.Quantile(0.9))},    {"p99", absl::ToDoubleSeconds(times.Quantile(0.99))},
          {"p999", absl::ToDoubleSeconds(times.Quantile(0.999))}, {"max", absl::ToDoubleSeconds(times.max())}};
}

Json ToJson(const LoadResult& result) {
  Json json = {{"planned", result.planned}, {"sent", result.sent}, {"succeeded", result.succeeded},
               {"failed", result.failed()}, {"late", result.late}, {"dropped", result.dropped}};
  json["errors"] = Json::array();
  for (const auto& [code, failures] : result.failures) {
    json["errors"].push_back({{"code", absl::StatusCodeToString(code)},
                              {"count", failures.count},
                              {"first_message", failures.first_message}});
  }
  json["stopped_early"] = result.stopped_early;
  json["elapsed_seconds"] = absl::ToDoubleSeconds(result.elapsed);
  json["calls_per_second"] = result.CallsPerSecond();
  json["megabytes_per_second"] = result.BytesPerSecond() / 1e6;
  json["latency_seconds"] = ToJson(result.latency);
  json["round_trip_seconds"] = ToJson(result.round_trip);
  return json;
}

Json PlanToJson(const load::LoadPlan& plan, int connections) {
  Json json = {{"loop", Closed(plan) ? "closed" : "open"}};
  if (!Closed(plan)) {
    json["rate"] = plan.rate;
    json["arrivals"] = NameOfValue(plan.arrivals);
  }
  json["concurrency"] = plan.concurrency;
  json["connections"] = connections;
  json["duration_seconds"] = absl::ToDoubleSeconds(plan.duration);
  json["warm_up_seconds"] = absl::ToDoubleSeconds(plan.warm_up);
  json["seed"] = plan.seed;
  return json;
}

std::string DescribeCalls(const load::LoadPlan& plan, int connections) {
  const std::string loop = Closed(plan) ? "each after the answer to the last"
                                        : absl::StrCat(plan.rate, " calls/s, ", NameOfValue(plan.arrivals));
  return absl::StrCat(loop, ", at most ", plan.concurrency, " in flight on ", connections,
                      connections == 1 ? " connection" : " connections");
}

std::string DescribeTime(const load::LoadPlan& plan) {
  return absl::StrCat(absl::FormatDuration(plan.duration), " after ", absl::FormatDuration(plan.warm_up),
                      " of warm-up");
}

std::string TimesLine(absl::string_view name, const DurationHistogram& times) {
  std::string line;
  for (const absl::Duration time : {times.Mean(), times.Quantile(0.5), times.Quantile(0.9), times.Quantile(0.99),
                                    times.Quantile(0.999), times.max()}) {
    absl::StrAppendFormat(&line, "%10.3f", absl::ToDoubleMilliseconds(time));
  }
  return Line(name, line);
}

void PrintCalls(const LoadResult& result, const std::string& throughput, std::ostream& out) {
  out << Line("calls", absl::StrFormat("%d succeeded, %d failed, %d sent late, %d dropped", result.succeeded,
                                       result.failed(), result.late, result.dropped));
  for (const auto& [code, failures] : result.failures) {
    out << Line("failed", Wrap(absl::StrCat(failures.count, " times ", absl::StatusCodeToString(code),
                                            ", first: ", failures.first_message),
                               18));
  }
  out << Line("throughput", absl::StrFormat("%.1f calls/s, %.1f MB/s%s", result.CallsPerSecond(),
                                            result.BytesPerSecond() / 1e6, throughput));
}

void PrintHeadings(std::ostream& out) {
  out << Line("times in ms", absl::StrFormat("%10s%10s%10s%10s%10s%10s", "mean", "p50", "p90", "p99", "p99.9", "max"));
}

void PrintNotes(const LoadResult& result, const load::LoadPlan& plan, std::ostream& out) {
  if (result.stopped_early) out << "  note: stopped early, since the server no longer answered\n";
  if (result.dropped > 0) {
    out << "  note: "
        << Wrap(absl::StrCat(result.dropped, " of ", result.planned, " calls found all ", plan.concurrency,
                             " callers busy until the end and were never sent: the server is slower than the rate. "
                             "Their waiting is in no figure"),
                8)
        << "\n";
  }
}

}  // namespace favor::cli
