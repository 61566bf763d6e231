#include "client/cli/bench_command.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/bench_flags.h"
#include "client/cli/bench_outcome.h"
#include "client/cli/bench_report.h"
#include "client/cli/connection_flags.h"
#include "client/cli/failure.h"
#include "client/cli/load_turn.h"
#include "client/cli/progress.h"
#include "client/load/attend_load.h"
#include "client/load/echo_load.h"
#include "client/load/echo_process.h"
#include "client/load/load_run.h"

namespace favor::cli {
namespace {

constexpr char kHelp[] =
    R"(Puts a load of Attend calls on a server and prints latency, throughput, errors and, with --echo, what
part of it all is the transport's.

Calls are sent by the clock (--rate), and latency counts from the moment a call was due: a server that
stalls pays for every call it kept waiting. --closed-loop finds the throughput instead.

Usage: favor bench [flags]

Examples:
  favor bench --rate 200 --length 16 --duration 30s
  favor bench --closed-loop --concurrency 8 --length 1024
  favor bench --rate 5 --length 4096 --mode auto --max-relative-error 0.1
  favor bench --closed-loop --concurrency 1 --echo
  favor bench --endpoint unix:/run/favord.sock --rate 1 --length 16 --arrivals constant --echo --json

--json prints one object: load, endpoint, spec, num_features, queries_shape, keys_shape, values_shape,
data_type, request_bytes, response_bytes, server_version, cpu_target; attend; with an echo also echo and
echoes_beside_compute, the median of (round trip - compute) over the median echo. attend and echo have
planned = sent + dropped, sent = succeeded + failed, late, errors [{code, count, first_message}],
stopped_early, elapsed_seconds, calls_per_second, megabytes_per_second, latency_seconds and
round_trip_seconds {mean, p50, p90, p99, p999, max}; attend also queries_per_second, queue_seconds,
compute_seconds and beside_compute_seconds.

Counted are calls that were due after the warm-up. Throughput is what was answered in the counted time,
whenever it was due: of a call that is under way when that time begins or ends, the part inside.

Exit code: 0 all calls succeeded, 1 a call failed, none succeeded or no server was reached, 2 the command line
makes no sense.
)";

// With an echo, how many times the two take turns: what else the machine does then falls on both alike.
constexpr int kTurns = 4;

// The server to compare with, and calls of it.
struct Echo {
  std::unique_ptr<load::EchoProcess> process;
  std::string endpoint;
  std::unique_ptr<load::EchoLoad> load;
};

// Does nothing when none is asked for.
absl::Status StartEcho(const BenchFlags& bench, const ConnectionFlags& connection, const BenchReport& report,
                       Echo* echo) {
  if (!bench.echo && bench.echo_endpoint.empty()) return absl::OkStatus();
  echo->endpoint = bench.echo_endpoint;
  if (bench.echo) {
    const bool unix_socket = absl::StartsWith(connection.endpoint, "unix");
    auto process = load::EchoProcess::Start(
        "/proc/self/exe", unix_socket ? load::EchoProcess::Transport::kUnixSocket : load::EchoProcess::Transport::kTcp);
    if (!process.ok()) return process.status();
    echo->process = *std::move(process);
    echo->endpoint = echo->process->address();
  }
  auto load = load::EchoLoad::Create({.endpoint = echo->endpoint,
                                      .num_connections = bench.load.connections,
                                      .request_bytes = report.request_bytes,
                                      .response_bytes = report.response_bytes,
                                      .deadline = connection.deadline});
  if (!load.ok()) return load.status();
  echo->load = *std::move(load);
  const absl::Status status = echo->load->Call(0).status;
  return status.ok() ? status
                     : absl::Status(status.code(), absl::StrCat("echo at ", echo->endpoint, ": ", status.message()));
}

void RunTurns(const load::AttendLoad& attend, const load::EchoLoad* echo, const Console& console, BenchReport* report) {
  const int turns = echo == nullptr ? 1 : kTurns;
  load::LoadPlan plan = report->plan;
  plan.warm_up /= turns;
  plan.duration /= turns;
  for (int turn = 0; turn < turns; ++turn, ++plan.seed) {
    report->attend.Merge(RunTurn(
        plan, "attend", [&](int caller) { return attend.Call(caller); }, console));
    if (report->attend.stopped_early) return;
    if (echo == nullptr) continue;
    if (!report->echo) report->echo.emplace();
    report->echo->Merge(RunTurn(
        plan, "echo", [&](int caller) { return echo->Call(caller); }, console));
    if (report->echo->stopped_early) return;
  }
}

// Connects, and makes the first call.
absl::StatusOr<std::unique_ptr<load::AttendLoad>> StartAttend(const BenchFlags& bench,
                                                              const ConnectionFlags& connection, const Console& console,
                                                              BenchReport* report) {
  std::vector<client::Client> clients;
  for (int i = 0; i < bench.load.connections; ++i) {
    absl::StatusOr<client::Client> client = Connect(connection);
    if (!client.ok()) return client.status();
    clients.push_back(*std::move(client));
  }
  auto attend =
      std::make_unique<load::AttendLoad>(bench.shape, bench.options, std::move(clients), bench.load.plan.seed);
  const Progress progress(console, "first call", connection.deadline);
  const absl::StatusOr<client::AttendResult> first = attend->Attend(0);
  if (!first.ok()) return first.status();
  report->server = first->report;
  report->request_bytes = first->request_bytes;
  report->response_bytes = first->response_bytes;
  report->plan = bench.load.plan;
  report->connections = bench.load.connections;
  report->endpoint = connection.endpoint;
  report->shape = bench.shape;
  return attend;
}

}  // namespace

ExitCode RunBench(absl::Span<const std::string> arguments, const Console& console) {
  BenchFlags bench;
  ConnectionFlags connection;
  connection.retries = 0;  // a call that is tried again would hide a failure
  FlagSet flags;
  bench.AddTo(&flags);
  connection.AddTo(&flags);
  if (absl::Status status = flags.Parse(arguments); !status.ok()) return FailUsage(status.message(), "bench", console);
  if (flags.help_wanted()) {
    console.out << kHelp << flags.Help();
    return kExitOk;
  }
  if (absl::Status status = bench.Complete(flags, connection); !status.ok()) {
    return FailUsage(status.message(), "bench", console);
  }
  BenchReport report;
  const auto attend = StartAttend(bench, connection, console, &report);
  if (!attend.ok()) return Fail(attend.status(), "bench", connection, console);
  Echo echo;
  if (absl::Status status = StartEcho(bench, connection, report, &echo); !status.ok()) {
    const char* hint = bench.echo ? "" : "is favor echo-server running there? (--echo-endpoint)";
    return FailWithHint(status, "bench", hint, connection, console);
  }
  report.echo_endpoint = echo.endpoint;
  RunTurns(**attend, echo.load.get(), console, &report);
  std::vector<std::pair<std::string, const load::LoadResult*>> loads = {{"attend", &report.attend}};
  if (report.echo) loads.emplace_back("echo", &*report.echo);
  return EndBench(report, loads, "bench", connection, console);
}

}  // namespace favor::cli
