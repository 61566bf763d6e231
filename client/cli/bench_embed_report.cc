#include "client/cli/bench_embed_report.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/attend_outcome.h"
#include "client/cli/load_report.h"
#include "client/cli/report_text.h"

namespace favor::cli {
namespace {

int64_t NumFeatures(const client::AttentionSpec& spec) {
  const auto* features = std::get_if<client::FeatureSpec>(&spec.mode);
  return features == nullptr ? 0 : features->num_features.value_or(0);
}

}  // namespace

double BenchEmbedReport::InputsPerSecond() const {
  return embed.CallsPerSecond() * static_cast<double>(inputs_per_call);
}

Json ToJson(const BenchEmbedReport& report) {
  Json json = {{"load", PlanToJson(report.plan, report.connections)},
               {"endpoint", report.endpoint},
               {"model", report.server.model},
               {"model_id", report.server.model_id},
               {"attention", SpecToJson(report.server.attention)},
               {"dimensions", report.dimensions},
               {"texts", report.texts},
               {"num_texts", report.num_texts},
               {"inputs_per_call", report.inputs_per_call},
               {"server_version", report.server.server_version},
               {"cpu_target", report.server.cpu_target},
               {"embed", ToJson(report.embed)}};
  Json& embed = json["embed"];
  embed["num_tokens"] = report.embed.num_tokens;
  embed["tokens_per_second"] = report.embed.TokensPerSecond();
  embed["inputs_per_second"] = report.InputsPerSecond();
  embed["queue_seconds"] = ToJson(report.embed.queue);
  embed["compute_seconds"] = ToJson(report.embed.compute);
  embed["beside_compute_seconds"] = ToJson(report.embed.beside_compute);
  return json;
}

void PrintText(const BenchEmbedReport& report, std::ostream& out) {
  const load::LoadResult& embed = report.embed;
  out << "load\n"
      << Line("model", absl::StrCat(report.server.model, " (", report.server.model_id.substr(0, 8), "), ",
                                    report.dimensions, " dimensions"))
      << Line("attention", DescribeMode(report.server.attention, NumFeatures(report.server.attention)))
      << Line("texts", absl::StrCat(report.texts, ", ", report.inputs_per_call, " in a call"))
      << Line("calls", DescribeCalls(report.plan, report.connections)) << Line("time", DescribeTime(report.plan))
      << Line("server", absl::StrCat("favord ", report.server.server_version, " on ", report.server.cpu_target, ", ",
                                     report.endpoint))
      << "embed\n";
  PrintCalls(embed,
             absl::StrFormat(", %.1f inputs/s, %.0f tokens/s", report.InputsPerSecond(), embed.TokensPerSecond()), out);
  PrintHeadings(out);
  out << TimesLine("latency", embed.latency) << TimesLine("round trip", embed.round_trip)
      << TimesLine("queue", embed.queue) << TimesLine("compute", embed.compute)
      << TimesLine("beside compute", embed.beside_compute);
  PrintNotes(embed, report.plan, out);
}

}  // namespace favor::cli
