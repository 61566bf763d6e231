#include "client/cli/stream_command.h"

#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "client/cli/attend_outcome.h"
#include "client/cli/connection_flags.h"
#include "client/cli/json.h"
#include "client/cli/progress.h"
#include "client/cli/report_text.h"
#include "client/cli/server_command.h"
#include "client/cli/stream_flags.h"
#include "client/cli/stream_run.h"

namespace favor::cli {
namespace {

constexpr char kHelp[] =
    R"(Attention of a sequence of any length, chunk by chunk, at constant memory here and there. When a server
dies or drains, the next one of the list goes on from the last checkpoint, with the same bits.

Usage: favor stream (--queries Q.npy --keys K.npy --values V.npy | --input FILE | --synthetic N) [flags]

Examples:
  favor stream --input long.safetensors --output out.npy --address a:50051,b:50051
  favor stream --queries q.npy --keys k.npy --values v.npy --bidirectional --output out.npy
  favor stream --input long.safetensors --output out.npy --checkpoint at.state --resume
  favor stream --input part1.safetensors --state-out s1; favor stream --input part2.safetensors --state-in s1
  make_tokens | favor stream --input - --heads 8 --head-dim 64 --output - > rows.f32
  favor stream --synthetic 10000000 --heads 8 --head-dim 64

Standard input (--input -) brings, for each token, queries [heads, head dim], keys [key heads, head dim] and
values [key heads, value dim], little-endian numbers of --input-type with nothing between them; or the same as
an .npy array [tokens, numbers of a token], as numpy.save(sys.stdout.buffer, array) writes it.

Exit code: 0 done, 1 a server or a file failed, 2 the command line makes no sense.
)";

// All there is to tell.
struct Outcome {
  int64_t num_tokens = 0;
  int64_t num_chunks = 0;
  int64_t first_token = 0;
  absl::Duration elapsed;
  int64_t num_resumes = 0;
  std::vector<std::string> breaks;
  client::AttendReport report;
  std::string output, state_out;

  double TokensPerSecond() const { return static_cast<double>(num_tokens) / absl::ToDoubleSeconds(elapsed); }
};

Json ToJson(const Outcome& outcome) {
  return {{"num_tokens", outcome.num_tokens},
          {"num_chunks", outcome.num_chunks},
          {"first_token", outcome.first_token},
          {"elapsed_seconds", absl::ToDoubleSeconds(outcome.elapsed)},
          {"tokens_per_second", outcome.TokensPerSecond()},
          {"num_resumes", outcome.num_resumes},
          {"breaks", outcome.breaks},
          {"degenerate_rows", outcome.report.degenerate_rows},
          {"compute_seconds", absl::ToDoubleSeconds(outcome.report.compute_time)},
          {"num_features", outcome.report.num_features},
          {"projection_id", outcome.report.projection_id},
          {"server_version", outcome.report.server_version},
          {"output", outcome.output},
          {"state_out", outcome.state_out}};
}

void PrintText(const Outcome& outcome, std::ostream& out) {
  out << "stream\n"
      << Line("tokens", absl::StrCat(outcome.num_tokens, " in ", outcome.num_chunks, " chunks"))
      << Line("time", absl::StrFormat("%.2f s, %.0f tokens/s", absl::ToDoubleSeconds(outcome.elapsed),
                                      outcome.TokensPerSecond()));
  // Of nothing there is no report.
  if (outcome.num_chunks > 0) {
    out << Line("attention", DescribeMode(outcome.report.spec, outcome.report.num_features));
  }
  if (outcome.first_token > 0) out << Line("went on at", absl::StrCat("token ", outcome.first_token));
  if (outcome.report.degenerate_rows > 0) out << Line("degenerate rows", absl::StrCat(outcome.report.degenerate_rows));
  for (const std::string& why : outcome.breaks) out << Line("went on after", why);
  if (!outcome.output.empty()) out << Line("output", outcome.output);
  if (!outcome.state_out.empty()) out << Line("state", outcome.state_out);
}

// What the stream tells of its breaks, from threads of its own.
class Breaks {
 public:
  void Add(const absl::Status& why) {
    absl::MutexLock lock(&mutex_);
    texts_.push_back(absl::StrCat(absl::StatusCodeToString(why.code()), ": ", why.message()));
  }
  std::vector<std::string> texts() const {
    absl::MutexLock lock(&mutex_);
    return texts_;
  }

 private:
  mutable absl::Mutex mutex_;
  std::vector<std::string> texts_ ABSL_GUARDED_BY(mutex_);
};

std::string StreamLine(const StreamRun& run, const client::ResumingStream& stream, absl::Duration elapsed) {
  const int64_t done = run.tokens_done(), total = run.total_tokens(), num_resumes = stream.num_resumes();
  std::string line =
      total < 0 ? absl::StrCat(ProgressLine("streaming", elapsed, absl::InfiniteDuration()), ", ", done, " tokens")
                : CountLine("streaming", elapsed, done, total, "tokens");
  absl::StrAppendFormat(&line, ", %.0f tokens/s", static_cast<double>(done) / absl::ToDoubleSeconds(elapsed));
  if (num_resumes > 0) absl::StrAppend(&line, ", resumed ", num_resumes, "x");
  return line;
}

absl::Status Stream(const StreamFlags& flags, const FlagSet& given, const ConnectionFlags& connection,
                    const Console& console, Outcome* outcome) {
  absl::StatusOr<LongInput> input = OpenInput(flags.input, console);
  if (!input.ok()) return input.status();
  RowSource& source = *input->rows;
  const RowSizes& sizes = source.sizes();
  if (!flags.bidirectional && sizes.query_length != sizes.key_length) {
    return absl::InvalidArgumentError(absl::StrCat("queries have a length of ", sizes.query_length, ", keys of ",
                                                   sizes.key_length, ": causal attention needs the same"));
  }
  const absl::StatusOr<StreamFlags::Beginning> beginning = flags.LoadBeginning(sizes);
  if (!beginning.ok()) return beginning.status();
  absl::StatusOr<client::ResumingStreamOptions> options = flags.ToOptions(given, connection, *input, *beginning);
  if (!options.ok()) return options.status();
  const absl::StatusOr<client::ClientOptions> client_options = ToClientOptions(connection);
  if (!client_options.ok()) return client_options.status();
  absl::StatusOr<std::vector<client::Client>> servers =
      client::ConnectAll(*client_options, flags.servers.Addresses(connection));
  if (!servers.ok()) return servers.status();
  const absl::StatusOr<std::unique_ptr<RowOutput>> output =
      OpenOutput(flags.input, *input, flags.bidirectional ? 0 : beginning->first_token, console);
  if (!output.ok()) return output.status();

  Breaks breaks;
  options->on_break = [&breaks](const absl::Status& why) { breaks.Add(why); };
  client::ResumingStream stream(*std::move(servers), *std::move(options));
  StreamRun run(&stream, &source, output->get(),
                {.causal = !flags.bidirectional,
                 .chunk = ChunkLength(flags.input, sizes),
                 .first_token = beginning->first_token,
                 .wants_state = !flags.state_out.empty(),
                 .checkpoint_file = flags.checkpoint_file});
  const absl::Time start = absl::Now();
  absl::Status status;
  {
    const Progress progress(console, [&](absl::Duration elapsed) { return StreamLine(run, stream, elapsed); });
    status = run.Run();
  }
  outcome->elapsed = absl::Now() - start;
  outcome->num_tokens = run.tokens_done();
  outcome->num_chunks = run.chunks_done();
  outcome->first_token = beginning->first_token;
  outcome->num_resumes = stream.num_resumes();
  outcome->breaks = breaks.texts();
  outcome->report = stream.report();
  outcome->output = flags.input.output;
  if (!status.ok() || flags.state_out.empty()) return status;
  if (!run.state()) return absl::InternalError("the stream ended without the state that was asked for");
  outcome->state_out = flags.state_out;
  return run.state()->Save(flags.state_out);
}

}  // namespace

ExitCode RunStream(absl::Span<const std::string> arguments, const Console& console) {
  ServerCommand command{.name = "stream", .help = kHelp};
  command.connection.deadline = absl::InfiniteDuration();
  command.connection.retries = 19;
  return RunServerCommand<StreamFlags, Outcome>(std::move(command), arguments, console, Stream);
}

}  // namespace favor::cli
