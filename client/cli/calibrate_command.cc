#include "client/cli/calibrate_command.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/connection_flags.h"
#include "client/cli/names.h"
#include "client/cli/progress.h"
#include "client/cli/report_text.h"
#include "client/cli/server_command.h"
#include "client/cli/statistics_file.h"
#include "client/cli/tensor_files.h"
#include "client/client.h"

namespace favor::cli {
namespace {

constexpr char kHelp[] =
    R"(Measures what an estimator needs on a sample of queries and keys, for calls that cannot measure their own:
causal ones, streams and shards. They take the file as --statistics, with the same --estimator,
--precondition and --scale.

Usage: favor calibrate (--queries Q.npy --keys K.npy | --input FILE) [flags]

Examples:
  favor calibrate --input sample.safetensors --estimator sderf --precondition --output layer0.json
  favor stream --input long.safetensors --estimator sderf --precondition --statistics layer0.json
  favor calibrate --queries q.npy --keys k.npy --precondition > layer0.json
  favor attend --input qkv.safetensors --causal --precondition --statistics layer0.json --compare

Without --output the statistics go to standard output. --json prints heads as the file has them, and queries,
keys, estimator, precondition, output.

Exit code: 0 done, 1 a server or a file failed, 2 the command line makes no sense.
)";

struct CalibrateFlags {
  InputFiles files = {.needs_values = false};
  client::AttentionSpec spec;
  client::FeatureSpec features;
  std::string output;

  void AddTo(FlagSet* flags) {
    flags->BeginSection("Sample");
    flags->Add("queries", "FILE.npy", "[batch, heads, length, dim]; outer axes of size 1 may be missing.",
               &files.queries);
    flags->Add("keys", "FILE.npy", "[batch, key heads, length, dim]; key heads divide heads.", &files.keys);
    flags->Add("input", "FILE.safetensors", "In place of the two: a file with tensors called queries and keys.",
               &files.combined);
    flags->Add("layout", "LAYOUT", "Order of the axes. Default batch_heads_length_dim.", &spec.layout);
    flags->BeginSection("What they are for");
    flags->Add("estimator", "ESTIMATOR", "oprf, sderf or saderf; any other one needs --precondition.",
               &features.estimator);
    flags->Add("precondition", "Exact preconditioning.", &features.precondition);
    flags->Add("scale", "X", "Of queries times keys. Default: 1/sqrt(dim).", &spec.scale);
    flags->BeginSection("Results");
    flags->Add("output", "FILE.json", "Write the statistics to FILE.json.", &output);
  }

  absl::Status Validate(const FlagSet&) const {
    const bool any_npy = !files.queries.empty() || !files.keys.empty();
    const bool all_npy = !files.queries.empty() && !files.keys.empty();
    if (files.combined.empty() ? !all_npy : any_npy) {
      return absl::InvalidArgumentError("give either --queries and --keys, or --input");
    }
    return absl::OkStatus();
  }

  std::ostream& ReportStream(const Console& console) const { return console.out; }
};

struct Outcome {
  client::Statistics statistics;
  std::vector<int64_t> queries, keys;  // shapes
  client::FeatureSpec features;
  std::string output;
};

Json ToJson(const Outcome& outcome) {
  Json json = StatisticsToJson(outcome.statistics);
  json["queries"] = outcome.queries;
  json["keys"] = outcome.keys;
  json["estimator"] = NameOfValue(outcome.features.estimator);
  json["precondition"] = outcome.features.precondition;
  json["output"] = outcome.output;
  return json;
}

void PrintText(const Outcome& outcome, std::ostream& out) {
  if (outcome.output.empty()) {
    out << ToText(StatisticsToJson(outcome.statistics)) << "\n";
    return;
  }
  const auto shape = [](const std::vector<int64_t>& lengths) {
    return absl::StrCat("[", absl::StrJoin(lengths, ", "), "]");
  };
  const std::string estimator = outcome.features.estimator == client::Estimator::kUnspecified
                                    ? ""
                                    : absl::StrCat("--estimator ", NameOfValue(outcome.features.estimator), " ");
  out << "statistics\n"
      << Line("queries", shape(outcome.queries)) << Line("keys", shape(outcome.keys))
      << Line("key heads", absl::StrCat(outcome.statistics.heads.size()))
      << Line("for", absl::StrCat(estimator, outcome.features.precondition ? "--precondition" : ""))
      << Line("output", outcome.output);
}

absl::Status Calibrate(const CalibrateFlags& flags, const FlagSet&, const ConnectionFlags& connection,
                       const Console& console, Outcome* outcome) {
  const absl::StatusOr<LoadedInputs> inputs = LoadInputs(flags.files, flags.spec.layout);
  if (!inputs.ok()) return inputs.status();
  const absl::StatusOr<client::Client> client = Connect(connection);
  if (!client.ok()) return client.status();
  client::AttentionSpec spec = flags.spec;
  spec.mode = flags.features;
  absl::StatusOr<client::Statistics> statistics = absl::UnknownError("not run");
  {
    const Progress progress(console, "calibrating", connection.deadline);
    statistics = client->Calibrate({.queries = inputs->tensors.queries, .keys = inputs->tensors.keys}, spec);
  }
  if (!statistics.ok()) return statistics.status();
  *outcome = {.statistics = *std::move(statistics),
              .queries = inputs->tensors.queries.shape,
              .keys = inputs->tensors.keys.shape,
              .features = flags.features,
              .output = flags.output};
  return flags.output.empty() ? absl::OkStatus() : WriteStatistics(flags.output, outcome->statistics);
}

}  // namespace

ExitCode RunCalibrate(absl::Span<const std::string> arguments, const Console& console) {
  return RunServerCommand<CalibrateFlags, Outcome>({.name = "calibrate", .help = kHelp}, arguments, console, Calibrate);
}

}  // namespace favor::cli
