#include "client/cli/bench_embed_command.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "client/cli/bench_embed_report.h"
#include "client/cli/bench_outcome.h"
#include "client/cli/connection_flags.h"
#include "client/cli/embed_flags.h"
#include "client/cli/embed_inputs.h"
#include "client/cli/failure.h"
#include "client/cli/flag_values.h"
#include "client/cli/load_flags.h"
#include "client/cli/load_turn.h"
#include "client/cli/progress.h"
#include "client/embed_all.h"
#include "client/load/embed_load.h"

namespace favor::cli {

template <>
absl::Span<const Named<load::LengthSpread>> NamesOf<load::LengthSpread>() {
  static constexpr Named<load::LengthSpread> kNames[] = {{load::LengthSpread::kConstant, "constant"},
                                                         {load::LengthSpread::kUniform, "uniform"},
                                                         {load::LengthSpread::kExponential, "exponential"}};
  return kNames;
}

namespace {

constexpr char kHelp[] =
    R"(Puts a load of Embed calls on a server and prints latency, tokens per second and errors. Texts come from a
file or are made up of common words.

Calls are sent by the clock (--rate), and latency counts from the moment a call was due: a server that
stalls pays for every call it kept waiting. --closed-loop finds the throughput instead.

Usage: favor bench-embed [flags]

Examples:
  favor bench-embed --rate 50 --words 16 --spread exponential --duration 30s
  favor bench-embed --closed-loop --concurrency 8 --batch 32 --words 128
  favor bench-embed --texts sentences.txt --model minilm --attention features --num-features 256 --json

--json prints one object: load, endpoint, model, model_id, attention, dimensions, texts, num_texts,
inputs_per_call, server_version, cpu_target; embed, which has planned = sent + dropped, sent = succeeded +
failed, late, errors [{code, count, first_message}], stopped_early, elapsed_seconds, calls_per_second,
megabytes_per_second, num_tokens, tokens_per_second, inputs_per_second, and latency_seconds,
round_trip_seconds, queue_seconds, compute_seconds and beside_compute_seconds {mean, p50, p90, p99, p999,
max}. A call with an input that the server refuses has failed.

Counted are calls that were due after the warm-up. Throughput is what was answered in the counted time,
whenever it was due: of a call that is under way when that time begins or ends, the part inside.

Exit code: 0 all calls succeeded, 1 a call failed, none succeeded or no server was reached, 2 the command line
makes no sense.
)";

// A thousand texts of them are held.
constexpr int64_t kMaxWords = 100'000;

struct BenchEmbedFlags {
  LoadFlags load;
  EmbedOptionFlags embed;
  InputSource source{.file_flag = "--texts"};  // its file alone
  load::TextPlan texts;
  int64_t batch = 1;

  void AddTo(FlagSet* flags) {
    load.AddTo(flags);
    flags->BeginSection("Texts");
    flags->Add("texts", "FILE", "Take a text from every line, or from the {\"text\": \"...\"} of a .jsonl file.",
               &source.file);
    flags->Add("words", "N",
               absl::StrCat("Words of a text that is made up, on average. Default ", texts.mean_words, "."),
               &texts.mean_words);
    flags->Add("spread", "KIND", "Of their lengths. Default constant.", &texts.spread);
    flags->Add("batch", "N", "Texts of a call. Default 1.", &batch);
    embed.AddTo(flags);
  }

  absl::Status Complete(const FlagSet& flags) {
    if (absl::Status status = load.Complete(flags); !status.ok()) return status;
    if (absl::Status status = CheckWithin("words", texts.mean_words, 1, kMaxWords); !status.ok()) return status;
    if (absl::Status status = CheckWithin("batch", batch, 1, client::kMaxInputsPerRequest); !status.ok()) return status;
    if (!source.file.empty() && (flags.IsSet("words") || flags.IsSet("spread"))) {
      return absl::InvalidArgumentError("give either --texts or --words and --spread");
    }
    texts.seed = load.plan.seed;
    return embed.ToOptions(flags).status();
  }
};

absl::StatusOr<std::vector<client::EmbedInput>> Texts(const BenchEmbedFlags& bench, const Console& console,
                                                      BenchEmbedReport* report) {
  if (!bench.source.file.empty()) {
    absl::StatusOr<std::vector<client::EmbedInput>> inputs = ReadInputs(bench.source, console.in);
    if (inputs.ok()) report->texts = absl::StrCat(inputs->size(), " of ", bench.source.file);
    return inputs;
  }
  const std::vector<std::string> texts = load::GenerateTexts(bench.texts);
  report->texts = absl::StrCat(bench.texts.mean_words, " words, ", NameOfValue(bench.texts.spread));
  return std::vector<client::EmbedInput>(texts.begin(), texts.end());
}

absl::Status Bench(const BenchEmbedFlags& bench, const client::EmbedOptions& options, const ConnectionFlags& connection,
                   const Console& console, BenchEmbedReport* report) {
  absl::StatusOr<std::vector<client::EmbedInput>> inputs = Texts(bench, console, report);
  if (!inputs.ok()) return inputs.status();
  std::vector<client::Client> clients;
  for (int i = 0; i < bench.load.connections; ++i) {
    absl::StatusOr<client::Client> client = Connect(connection);
    if (!client.ok()) return client.status();
    clients.push_back(*std::move(client));
  }
  report->num_texts = static_cast<int64_t>(inputs->size());
  report->plan = bench.load.plan;
  report->connections = bench.load.connections;
  report->endpoint = connection.endpoint;
  report->inputs_per_call = bench.batch;
  const load::EmbedLoad embed(*std::move(inputs), bench.batch, options, std::move(clients));
  {
    const Progress progress(console, "first call", connection.deadline);
    const absl::StatusOr<client::Embeddings> first = embed.Embed(0);
    if (!first.ok()) return first.status();
    report->server = first->report;
    report->dimensions = first->results[0].dimensions;
  }
  report->embed = RunTurn(
      report->plan, "embed", [&](int caller) { return embed.Call(caller); }, console);
  return absl::OkStatus();
}

}  // namespace

ExitCode RunBenchEmbed(absl::Span<const std::string> arguments, const Console& console) {
  BenchEmbedFlags bench;
  ConnectionFlags connection;
  connection.retries = 0;  // a call that is tried again would hide a failure
  FlagSet flags;
  bench.AddTo(&flags);
  connection.AddTo(&flags);
  if (absl::Status status = flags.Parse(arguments); !status.ok()) {
    return FailUsage(status.message(), "bench-embed", console);
  }
  if (flags.help_wanted()) {
    console.out << kHelp << flags.Help();
    return kExitOk;
  }
  if (absl::Status status = bench.Complete(flags); !status.ok()) {
    return FailUsage(status.message(), "bench-embed", console);
  }
  BenchEmbedReport report;
  const absl::Status status = Bench(bench, *bench.embed.ToOptions(flags), connection, console, &report);
  if (!status.ok()) return Fail(status, "bench-embed", connection, console);
  return EndBench(report, {{"embed", &report.embed}}, "bench-embed", connection, console);
}

}  // namespace favor::cli
