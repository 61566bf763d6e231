#include "client/cli/bench_report.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/attend_outcome.h"
#include "client/cli/load_report.h"
#include "client/cli/names.h"
#include "client/cli/report_text.h"
#include "favor/format/stored_tensor.h"

namespace favor::cli {
namespace {

std::vector<int64_t> QueriesShape(const load::AttendShape& shape) {
  return {shape.batch_size, shape.num_heads, shape.query_length, shape.head_dim};
}
std::vector<int64_t> KeysShape(const load::AttendShape& shape) {
  return {shape.batch_size, shape.num_key_heads, shape.key_length, shape.head_dim};
}
std::vector<int64_t> ValuesShape(const load::AttendShape& shape) {
  return {shape.batch_size, shape.num_key_heads, shape.key_length, shape.value_dim};
}

void PrintPlan(const BenchReport& report, std::ostream& out) {
  const load::LoadPlan& plan = report.plan;
  out << "load\n"
      << Line("attention", DescribeMode(report.server.spec, report.server.num_features))
      << Line("queries", absl::StrCat(ShapeString(QueriesShape(report.shape)), " ", NameOfValue(report.shape.type)))
      << Line("keys", ShapeString(KeysShape(report.shape))) << Line("values", ShapeString(ValuesShape(report.shape)))
      << Line("calls", DescribeCalls(plan, report.connections))
      << Line("bytes", absl::StrCat(Bytes(report.request_bytes), " sent, ", Bytes(report.response_bytes), " received"))
      << Line("time", DescribeTime(plan))
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
  Json json = {{"load", PlanToJson(report.plan, report.connections)},
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
  PrintNotes(report.attend, report.plan, out);
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
