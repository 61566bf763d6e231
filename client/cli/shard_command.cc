#include "client/cli/shard_command.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "client/cli/connection_flags.h"
#include "client/cli/flag_values.h"
#include "client/cli/json.h"
#include "client/cli/long_input_flags.h"
#include "client/cli/progress.h"
#include "client/cli/report_text.h"
#include "client/cli/server_command.h"
#include "client/cli/spec_flags.h"
#include "client/sharded_attention.h"

namespace favor::cli {
namespace {

constexpr char kHelp[] =
    R"(Bidirectional attention of one long sequence over several servers: each folds a part of the keys into a
state, the states are merged, and all read the whole with the queries. What a server that dies had under way
is done by another one.

Usage: favor shard (--queries Q.npy --keys K.npy --values V.npy | --input FILE | --synthetic N) [flags]

Examples:
  favor shard --input long.safetensors --address a:50051,b:50051,c:50051 --output out.npy
  favor shard --queries q.npy --keys k.npy --values v.npy --address a:50051,b:50051 --parts 8 --output out.npy
  favor shard --synthetic 1000000 --heads 8 --address a:50051,b:50051 --json

Exit code: 0 done, 1 a server or a file failed, 2 the command line makes no sense.
)";

struct ShardFlags {
  LongInputFlags input;
  SpecFlags spec;
  ServerListFlags servers;
  int64_t num_parts = 0;
  int calls_per_server = 1;
  std::string state_out;

  void AddTo(FlagSet* flags);
  absl::Status Validate(const FlagSet& flags) const;
  std::ostream& ReportStream(const Console& console) const { return console.out; }
};

void ShardFlags::AddTo(FlagSet* flags) {
  servers.AddTo(flags, "The servers. Default: that of --endpoint.");
  flags->Add("parts", "N",
             "Parts of the keys. The number decides how the output is rounded, and nothing else does. Default: one for "
             "each server.",
             &num_parts);
  flags->Add("calls-per-server", "N", "Calls to a server at once. Default 1.", &calls_per_server);
  input.AddTo(flags, /*takes_pipes=*/false);
  flags->Add("state-out", "FILE", "Write the state of all keys to FILE.", &state_out);
  spec.AddTo(flags, SpecFlags::Use::kPieces);
}

absl::Status ShardFlags::Validate(const FlagSet& flags) const {
  if (absl::Status status = servers.Validate(); !status.ok()) return status;
  if (input.from_pipe() || input.to_pipe()) {
    return absl::InvalidArgumentError("shards take files, not standard input and output: they go on anywhere at once");
  }
  if (absl::Status status = input.Validate(flags); !status.ok()) return status;
  if (flags.IsSet("parts")) {
    if (absl::Status status = CheckWithin("parts", num_parts, 1); !status.ok()) return status;
  }
  if (absl::Status status = CheckWithin("calls-per-server", calls_per_server, 1, kMaxCallThreads); !status.ok()) {
    return status;
  }
  return spec.Validate(flags);
}

struct Outcome {
  int64_t num_keys = 0, num_queries = 0;
  std::set<std::string> servers;  // that answered
  absl::Duration elapsed;
  std::vector<std::string> failures;
  std::optional<client::AttentionState> state;
  std::string output;
};

Json ToJson(const Outcome& outcome) {
  return {{"num_keys", outcome.num_keys},
          {"num_queries", outcome.num_queries},
          {"num_servers", outcome.servers.size()},
          {"elapsed_seconds", absl::ToDoubleSeconds(outcome.elapsed)},
          {"failures", outcome.failures},
          {"num_features", outcome.state->num_features()},
          {"projection_id", outcome.state->projection_id()},
          {"output", outcome.output}};
}

void PrintText(const Outcome& outcome, std::ostream& out) {
  const client::AttentionState& state = *outcome.state;
  out << "shards\n"
      << Line("keys", absl::StrCat(outcome.num_keys, " on ", outcome.servers.size(),
                                   outcome.servers.size() == 1 ? " server" : " servers"))
      << Line("queries", absl::StrCat(outcome.num_queries))
      << Line("time", absl::StrFormat("%.2f s", absl::ToDoubleSeconds(outcome.elapsed)))
      << Line("attention", DescribeMode(state.spec(), state.num_features()));
  for (const std::string& why : outcome.failures) out << Line("again after", why);
  if (!outcome.output.empty()) out << Line("output", outcome.output);
}

// The tensors as the library wants them.
client::ShardedInputs ToInputs(RowSource* source, RowOutput* output) {
  client::ShardedInputs inputs;
  inputs.key_length = source->sizes().key_length;
  inputs.query_length = source->sizes().query_length;
  inputs.keys = [source](int64_t begin, int64_t count) {
    return source->Read(RowSource::Rows::kKeysAndValues, begin, count);
  };
  inputs.queries = [source](int64_t begin, int64_t count) {
    return source->Read(RowSource::Rows::kQueries, begin, count);
  };
  inputs.put = [output](int64_t begin, const client::Tensor& rows) { return output->Put(begin, rows); };
  return inputs;
}

absl::Status Shard(const ShardFlags& flags, const FlagSet& given, const ConnectionFlags& connection,
                   const Console& console, Outcome* outcome) {
  const absl::StatusOr<LongInput> input = OpenInput(flags.input, console);
  if (!input.ok()) return input.status();
  absl::StatusOr<client::AttentionSpec> spec =
      flags.spec.ToSpec(given, input->loaded ? input->loaded->projection_matrix : std::nullopt);
  if (!spec.ok()) return spec.status();
  spec->layout = input->rows->layout();
  absl::StatusOr<client::ClientOptions> client_options = ToClientOptions(connection);
  if (!client_options.ok()) return client_options.status();
  client_options->retries.max_retries = 0;  // another server is the better retry
  const absl::StatusOr<std::vector<client::Client>> servers =
      client::ConnectAll(*client_options, flags.servers.Addresses(connection));
  if (!servers.ok()) return servers.status();
  const absl::StatusOr<std::unique_ptr<RowOutput>> output = OpenOutput(flags.input, *input, /*first_token=*/0, console);
  if (!output.ok()) return output.status();

  const client::ShardedInputs inputs = ToInputs(input->rows.get(), output->get());
  const int64_t total = inputs.key_length + inputs.query_length;
  std::atomic<int64_t> num_done = 0;
  client::ShardOptions options{.spec = *std::move(spec),
                               .num_parts = flags.num_parts,
                               .chunk = ChunkLength(flags.input, input->rows->sizes()),
                               .calls_per_server = flags.calls_per_server,
                               .output_type = flags.input.output_type,
                               .deadline = connection.deadline,
                               .max_attempts = static_cast<int>(std::min<uint32_t>(connection.retries, 1'000'000)) + 1};
  options.on_progress = [&num_done](int64_t done) { num_done = done; };
  options.on_answer = [outcome](const client::Client& server) { outcome->servers.insert(server.endpoint()); };
  options.on_failure = [outcome](const absl::Status& why) {
    outcome->failures.push_back(absl::StrCat(absl::StatusCodeToString(why.code()), ": ", why.message()));
  };
  const absl::Time start = absl::Now();
  absl::StatusOr<client::AttentionState> state = absl::UnknownError("not run");
  {
    const Progress progress(console, [&](absl::Duration elapsed) {
      return CountLine("folding and reading", elapsed, num_done, total, "tokens") +
             absl::StrFormat(", %.0f tokens/s", static_cast<double>(num_done) / absl::ToDoubleSeconds(elapsed));
    });
    state = client::AttendInShards(*servers, inputs, options);
  }
  if (!state.ok()) return state.status();
  outcome->elapsed = absl::Now() - start;
  outcome->num_keys = inputs.key_length;
  outcome->num_queries = inputs.query_length;
  outcome->output = flags.input.output;
  outcome->state = *std::move(state);
  if (absl::Status status = (*output)->Finish(inputs.query_length); !status.ok()) return status;
  return flags.state_out.empty() ? absl::OkStatus() : outcome->state->Save(flags.state_out);
}

}  // namespace

ExitCode RunShard(absl::Span<const std::string> arguments, const Console& console) {
  ServerCommand command{.name = "shard", .help = kHelp};
  command.connection.deadline = absl::InfiniteDuration();
  command.connection.retries = 9;
  return RunServerCommand<ShardFlags, Outcome>(std::move(command), arguments, console, Shard);
}

}  // namespace favor::cli
