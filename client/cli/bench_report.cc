#include "client/cli/bench_report.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/attend_outcome.h"
#include "client/cli/bench_flags.h"
#include "client/cli/names.h"
#include "client/cli/report_text.h"
#include "client/cli/wrap.h"
#include "favor/format/stored_tensor.h"

namespace favor::cli {
namespace {

using load::DurationHistogram;
using load::LoadResult;

std::vector<int64_t> QueriesShape(const load::AttendShape& shape) {
  return {shape.batch_size, shape.num_heads, shape.query_length, shape.head_dim};
}
std::vector<int64_t> KeysShape(const load::AttendShape& shape) {
  return {shape.batch_size, shape.num_key_heads, shape.key_length, shape.head_dim};
}
std::vector<int64_t> ValuesShape(const load::AttendShape& shape) {
  return {shape.batch_size, shape.num_key_heads, shape.key_length, shape.value_dim};
}

bool Closed(const load::LoadPlan& plan) { return plan.loop == load::Loop::kClosed; }

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

Json PlanToJson(const BenchReport& report) {
  const load::LoadPlan& plan = report.plan;
  Json json = {{"loop", Closed(plan) ? "closed" : "open"}};
  if (!Closed(plan)) {
    json["rate"] = plan.rate;
    json["arrivals"] = NameOfValue(plan.arrivals);
  }
  json["concurrency"] = plan.concurrency;
  json["connections"] = report.connections;
  json["duration_seconds"] = absl::ToDoubleSeconds(plan.duration);
  json["warm_up_seconds"] = absl::ToDoubleSeconds(plan.warm_up);
  json["seed"] = plan.seed;
  return json;
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

void PrintNotes(const BenchReport& report, std::ostream& out) {
  const LoadResult& attend = report.attend;
  if (attend.stopped_early) out << "  note: stopped early, since the server no longer answered\n";
  if (attend.dropped > 0) {
    out << "  note: "
        << Wrap(absl::StrCat(attend.dropped, " of ", attend.planned, " calls found all ", report.plan.concurrency,
                             " callers busy until the end and were never sent: the server is slower than the rate. "
                             "Their waiting is in no figure"),
                8)
        << "\n";
  }
}

void PrintPlan(const BenchReport& report, std::ostream& out) {
  const load::LoadPlan& plan = report.plan;
  const std::string loop = Closed(plan) ? "each after the answer to the last"
                                        : absl::StrCat(plan.rate, " calls/s, ", NameOfValue(plan.arrivals));
  out << "load\n"
      << Line("attention", DescribeMode(report.server.spec, report.server.num_features))
      << Line("queries", absl::StrCat(ShapeString(QueriesShape(report.shape)), " ", NameOfValue(report.shape.type)))
      << Line("keys", ShapeString(KeysShape(report.shape))) << Line("values", ShapeString(ValuesShape(report.shape)))
      << Line("calls", absl::StrCat(loop, ", at most ", plan.concurrency, " in flight on ", report.connections,
                                    report.connections == 1 ? " connection" : " connections"))
      << Line("bytes", absl::StrCat(Bytes(report.request_bytes), " sent, ", Bytes(report.response_bytes), " received"))
      << Line("time", absl::StrCat(absl::FormatDuration(plan.duration), " after ", absl::FormatDuration(plan.warm_up),
                                   " of warm-up"))
      << Line("server", absl::StrCat("favord ", report.server.server_version, " on ", report.server.cpu_target, ", ",
                                     report.endpoint));
}

}  // namespace

double BenchReport::QueriesPerSecond() const {
  return attend.CallsPerSecond() * static_cast<double>(shape.batch_size * shape.query_length);
}

std::optional<double> BenchReport::EchoesBesideCompute() const {
  if (!echo || echo->round_trip.count() == 0 || attend.beside_compute.count() == 0) return std::nullopt;
  return absl::FDivDuration(attend.beside_compute.Quantile(0.5), echo->round_trip.Quantile(0.5));
}

Json ToJson(const BenchReport& report) {
  Json json = {{"load", PlanToJson(report)},
               {"endpoint", report.endpoint},
               {"spec", SpecToJson(report.server.spec)},
               {"num_features", report.server.num_features},
               {"queries_shape", QueriesShape(report.shape)},
               {"keys_shape", KeysShape(report.shape)},
               {"values_shape", ValuesShape(report.shape)},
               {"data_type", NameOfValue(report.shape.type)},
               {"request_bytes", report.request_bytes},
               {"response_bytes", report.response_bytes},
               {"server_version", report.server.server_version},
               {"cpu_target", report.server.cpu_target},
               {"attend", ToJson(report.attend)}};
  Json& attend = json["attend"];
  attend["queries_per_second"] = report.QueriesPerSecond();
  attend["queue_seconds"] = ToJson(report.attend.queue);
  attend["compute_seconds"] = ToJson(report.attend.compute);
  attend["beside_compute_seconds"] = ToJson(report.attend.beside_compute);
  if (report.echo) {
    json["echo"] = ToJson(*report.echo);
    json["echo"]["endpoint"] = report.echo_endpoint;
    if (const std::optional<double> echoes = report.EchoesBesideCompute()) json["echoes_beside_compute"] = *echoes;
  }
  return json;
}

void PrintText(const BenchReport& report, std::ostream& out) {
  PrintPlan(report, out);
  out << "attend\n";
  PrintCalls(report.attend, absl::StrFormat(", %.0f queries/s of all heads", report.QueriesPerSecond()), out);
  PrintHeadings(out);
  out << TimesLine("latency", report.attend.latency) << TimesLine("round trip", report.attend.round_trip)
      << TimesLine("queue", report.attend.queue) << TimesLine("compute", report.attend.compute)
      << TimesLine("beside compute", report.attend.beside_compute);
  PrintNotes(report, out);
  if (!report.echo) return;
  out << "plain gRPC echo of the same bytes\n";
  PrintCalls(*report.echo, "", out);
  PrintHeadings(out);
  out << TimesLine("latency", report.echo->latency) << TimesLine("round trip", report.echo->round_trip);
  if (const std::optional<double> echoes = report.EchoesBesideCompute()) {
    out << "transport\n"
        << Line("beside compute", absl::StrFormat("%.2f echoes: %s of %s, medians", *echoes,
                                                  Milliseconds(report.attend.beside_compute.Quantile(0.5)),
                                                  Milliseconds(report.echo->round_trip.Quantile(0.5))));
  }
}

}  // namespace favor::cli
