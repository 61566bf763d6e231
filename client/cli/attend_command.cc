#include "client/cli/attend_command.h"

#include <map>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cli/attend_flags.h"
#include "client/cli/attend_outcome.h"
#include "client/cli/comparison.h"
#include "client/cli/connection_flags.h"
#include "client/cli/geometry.h"
#include "client/cli/progress.h"
#include "client/cli/server_command.h"
#include "client/cli/tensor_files.h"
#include "client/client.h"

namespace favor::cli {
namespace {

constexpr char kHelp[] =
    R"(Sends queries, keys and values to a server and prints what comes back: the output, a report of
what ran, times and, with --compare, the error.

Usage: favor attend (--queries Q.npy --keys K.npy --values V.npy | --input FILE) [flags]

Examples:
  favor attend --input qkv.safetensors --compare
  favor attend --queries q.npy --keys k.npy --values v.npy --causal --output out.npy
  favor attend --input qkv.safetensors --num-features 512 --seed 7 --json
  favor attend --input qkv.safetensors --kernel generalized --nonlinearity relu --epsilon-parity
  favor attend --input qkv.safetensors --estimator best --measure-error-rows 32
  favor attend --input qkv.safetensors --mode auto --max-relative-error 0.1
  favor attend --input qkv.safetensors --mode exact --deadline 5m --output out.safetensors

Exit code: 0 done, 1 a server or a file failed, 2 the command line makes no sense.
)";

absl::StatusOr<client::AttendResult> CallWithProgress(const client::Client& client, const client::AttendInputs& inputs,
                                                      const client::AttendOptions& options, const std::string& step,
                                                      const ConnectionFlags& connection, const Console& console) {
  const Progress progress(console, step, connection.deadline);
  return client.Attend(inputs, options);
}

absl::Status AddComparison(const client::Client& client, const client::AttendOptions& options,
                           const ConnectionFlags& connection, const Console& console, AttendOutcome* outcome) {
  const absl::StatusOr<client::AttendResult> exact = CallWithProgress(
      client, outcome->inputs.tensors, ExactOptions(options), "exact attention, for --compare", connection, console);
  if (!exact.ok()) return exact.status();
  outcome->exact_round_trip = exact->round_trip;
  const absl::StatusOr<Comparison> comparison =
      Compare(outcome->inputs.tensors.values, options, outcome->result.output, exact->output);
  if (!comparison.ok()) return comparison.status();
  outcome->comparison = *comparison;
  return absl::OkStatus();
}

absl::Status Save(const std::string& path, AttendOutcome* outcome) {
  if (path.empty()) return absl::OkStatus();
  const client::AttendReport& report = outcome->result.report;
  const std::map<std::string, std::string> metadata = {{"producer", "favor attend"},
                                                       {"projection_id", report.projection_id},
                                                       {"server_version", report.server_version},
                                                       {"spec", ToText(SpecToJson(report.spec), -1)}};
  outcome->output_file = path;
  return SaveOutput(path, outcome->result.output, outcome->output_shape, metadata);
}

absl::Status Attend(const AttendFlags& attend, const FlagSet& flags, const ConnectionFlags& connection,
                    const Console& console, AttendOutcome* outcome) {
  const client::Layout layout = attend.spec.spec.layout;
  absl::StatusOr<LoadedInputs> inputs = LoadInputs(attend.files, layout);
  if (!inputs.ok()) return inputs.status();
  outcome->inputs = *std::move(inputs);
  outcome->excerpt_rows = attend.excerpt_rows;
  const absl::StatusOr<client::AttendOptions> options = attend.ToOptions(flags, outcome->inputs.projection_matrix);
  if (!options.ok()) return options.status();
  const absl::StatusOr<client::Client> client = Connect(connection);
  if (!client.ok()) return client.status();

  absl::StatusOr<client::AttendResult> result =
      CallWithProgress(*client, outcome->inputs.tensors, *options, "attention", connection, console);
  if (!result.ok()) return result.status();
  outcome->result = *std::move(result);
  outcome->output_shape = DemoteShape(outcome->result.output.shape(), outcome->inputs.queries_rank, layout);
  if (absl::Status status = Save(attend.output, outcome); !status.ok()) return status;
  return attend.compare ? AddComparison(*client, *options, connection, console, outcome) : absl::OkStatus();
}

}  // namespace

ExitCode RunAttend(absl::Span<const std::string> arguments, const Console& console) {
  return RunServerCommand<AttendFlags, AttendOutcome>({.name = "attend", .help = kHelp}, arguments, console, Attend);
}

}  // namespace favor::cli
