#include "client/cli/embed_command.h"

#include <atomic>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cli/connection_flags.h"
#include "client/cli/embed_flags.h"
#include "client/cli/embed_lines.h"
#include "client/cli/embed_outcome.h"
#include "client/cli/failure.h"
#include "client/cli/progress.h"
#include "client/client.h"

namespace favor::cli {
namespace {

constexpr char kHelp[] =
    R"(Sends texts or token ids to a server and prints their embeddings: the first coordinates, or all of them
with --json and --output.

Usage: favor embed (TEXT [TEXT ...] | --input FILE | --ids N,N,...) [flags]

Examples:
  favor embed "a cat on a mat" "a kitten on a rug" "interest rates fell" --nearest
  favor embed --input sentences.txt --output vectors.npy
  favor embed --input corpus.jsonl --over-length windows --output vectors.safetensors --deadline 5m
  zcat corpus.txt.gz | favor embed --input - --model minilm --type i8 --dimensions 128 --json
  favor embed "a long text" --attention features --num-features 256 --pooling none
  favor embed --ids 101,7592,2088,102
  tail -f events.log | favor embed --stream --json >> vectors.jsonl

Texts are split into requests (--batch, --in-flight); --deadline and --retries hold for each of them. An
input that the server refuses is named on standard error, and the others come out all the same.

--json prints one object: model, model_id, dimensions, attention, file, results [{text or ids, num_tokens,
num_tokens_used, num_windows, num_vectors, embedding (one list, or with --pooling none a list of lists;
left out when --output has it), nearest [{index, cosine}] or error}], failed, num_tokens, queue_seconds,
compute_seconds, elapsed_seconds, tokens_per_second, request_bytes, response_bytes, attempts,
server_version, cpu_target. With --stream an object a line: index, and what results has.

Exit code: 0 done, 1 a server, a file or an input failed, 2 the command line makes no sense.
)";

absl::StatusOr<client::Embeddings> CallWithProgress(const client::Client& client, const EmbedFlags& embed,
                                                    const std::vector<client::EmbedInput>& inputs,
                                                    const Console& console) {
  std::atomic<int64_t> num_done{0};
  client::EmbedAllOptions requests = embed.requests;
  requests.on_progress = [&num_done](int64_t done, int64_t) { num_done = done; };
  const int64_t num_inputs = static_cast<int64_t>(inputs.size());
  const Progress progress(
      console, [&](absl::Duration elapsed) { return CountLine("embedding", elapsed, num_done, num_inputs, "inputs"); });
  return client::EmbedAll(client, inputs, requests);
}

absl::Status Embed(const EmbedFlags& embed, const ConnectionFlags& connection, const Console& console,
                   EmbedOutcome* outcome) {
  absl::StatusOr<std::vector<client::EmbedInput>> inputs = ReadInputs(embed.source, console.in);
  if (!inputs.ok()) return inputs.status();
  outcome->inputs = *std::move(inputs);
  outcome->excerpt_rows = embed.excerpt_rows;
  outcome->all_tokens = embed.requests.embed.pooling == client::Pooling::kNone;
  const absl::StatusOr<client::Client> client = Connect(connection);
  if (!client.ok()) return client.status();
  absl::StatusOr<client::Embeddings> embeddings = CallWithProgress(*client, embed, outcome->inputs, console);
  if (!embeddings.ok()) return embeddings.status();
  outcome->embeddings = *std::move(embeddings);
  if (!embed.output.empty() && outcome->NumFailed() < static_cast<int64_t>(outcome->inputs.size())) {
    const absl::Status status = SaveVectors(embed.output, outcome->all_tokens, outcome->embeddings);
    if (!status.ok()) return status;
    outcome->output_file = embed.output;
  }
  if (!embed.nearest) return absl::OkStatus();
  absl::StatusOr<std::vector<std::vector<Neighbour>>> nearest = Nearest(outcome->embeddings.results, embed.neighbours);
  if (!nearest.ok()) return nearest.status();
  outcome->nearest = *std::move(nearest);
  return absl::OkStatus();
}

// Names the inputs that have no embedding.
void SayWhatFailed(const EmbedOutcome& outcome, const Console& console) {
  for (size_t i = 0; i < outcome.inputs.size(); ++i) {
    const absl::Status& status = outcome.embeddings.results[i].status;
    if (status.ok()) continue;
    console.error << "favor embed: input " << i << ", " << Describe(outcome.inputs[i]) << ": " << status.code() << ": "
                  << status.message() << "\n";
  }
}

}  // namespace

ExitCode RunEmbed(absl::Span<const std::string> arguments, const Console& console) {
  EmbedFlags embed;
  ConnectionFlags connection;
  FlagSet flags;
  embed.AddTo(&flags);
  connection.AddTo(&flags);
  if (absl::Status status = flags.Parse(arguments); !status.ok()) return FailUsage(status.message(), "embed", console);
  if (flags.help_wanted()) {
    console.out << kHelp << flags.Help();
    return kExitOk;
  }
  if (absl::Status status = embed.Complete(flags); !status.ok()) return FailUsage(status.message(), "embed", console);
  if (embed.stream) {
    if (!flags.IsSet("deadline")) connection.deadline = absl::InfiniteDuration();
    const absl::StatusOr<int64_t> num_failed = EmbedLines(embed, connection, console);
    if (!num_failed.ok()) return Fail(num_failed.status(), "embed", connection, console);
    return *num_failed == 0 ? kExitOk : kExitFailure;
  }
  EmbedOutcome outcome;
  if (absl::Status status = Embed(embed, connection, console, &outcome); !status.ok()) {
    return Fail(status, "embed", connection, console);
  }
  if (connection.json) {
    console.out << ToText(ToJson(outcome)) << "\n";
  } else {
    PrintText(outcome, console.out);
  }
  SayWhatFailed(outcome, console);
  return outcome.NumFailed() == 0 ? kExitOk : kExitFailure;
}

}  // namespace favor::cli
