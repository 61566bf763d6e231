#include "client/cli/bench_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <sstream>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "client/cli/bench_report.h"
#include "client/load/echo_server.h"
#include "tests/client/cli/run_favor.h"
#include "tests/client/fake_server.h"

namespace favor::cli {
namespace {

using favor::testing::FakeServer;
using favor::testing::FavorRun;
using favor::testing::RunFavor;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<std::string> Bench(const std::string& endpoint, const std::vector<std::string>& flags) {
  std::vector<std::string> arguments = {"bench",     "--endpoint", endpoint,   "--duration", "100ms",
                                        "--warm-up", "1ms",        "--length", "4",          "--heads",
                                        "2",         "--head-dim", "8"};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  return arguments;
}

TEST(Bench, SendsTheShapeAndTheSpecOfTheFlags) {
  FakeServer server;
  const FavorRun run = RunFavor(Bench(server.endpoint(), {"--batch",      "3",        "--heads",     "4",
                                                          "--key-heads",  "2",        "--length",    "5",
                                                          "--key-length", "7",        "--value-dim", "6",
                                                          "--data-type",  "bf16",     "--causal",    "--num-features",
                                                          "16",           "--kernel", "gaussian",    "--closed-loop"}));
  EXPECT_EQ(run.exit_code, kExitOk) << run.error;
  const v1::AttendRequest request = server.last_request();
  const auto shape = [](const v1::Tensor& tensor) {
    return std::vector<int64_t>(tensor.shape().begin(), tensor.shape().end());
  };
  EXPECT_THAT(shape(request.queries()), ::testing::ElementsAre(3, 4, 5, 8));
  EXPECT_THAT(shape(request.keys()), ::testing::ElementsAre(3, 2, 7, 8));
  EXPECT_THAT(shape(request.values()), ::testing::ElementsAre(3, 2, 7, 6));
  EXPECT_EQ(request.keys().data_type(), v1::DATA_TYPE_BF16);
  EXPECT_EQ(request.keys().data().size(), 3u * 2 * 7 * 8 * 2);
  EXPECT_TRUE(request.spec().causal());
  EXPECT_EQ(request.spec().features().num_features(), 16);
  EXPECT_EQ(request.spec().features().kernel(), v1::KERNEL_GAUSSIAN);

  EXPECT_EQ(RunFavor(Bench(server.endpoint(), {"--mode", "exact"})).exit_code, kExitOk);
  EXPECT_TRUE(server.last_request().spec().has_exact());
}

TEST(Bench, JsonAddsUpAndHasEveryFieldTheHelpNames) {
  FakeServer server;
  const auto echo = load::EchoServer::Start("127.0.0.1:0");
  ASSERT_TRUE(echo.ok()) << echo.status();
  const FavorRun run = RunFavor(Bench(
      server.endpoint(), {"--rate", "300", "--echo-endpoint", (*echo)->address(), "--connections", "2", "--json"}));
  ASSERT_EQ(run.exit_code, kExitOk) << run.error;
  const Json json = Json::parse(run.out);
  const std::string help = RunFavor({"bench", "--help"}).out;
  for (const auto& [name, value] : json.items()) EXPECT_THAT(help, HasSubstr(name));
  for (const char* part : {"attend", "echo"}) {
    const Json& result = json.at(part);
    for (const auto& [name, value] : result.items()) EXPECT_THAT(help, HasSubstr(name)) << part;
    EXPECT_EQ(result.at("planned"), result.at("sent").get<int>() + result.at("dropped").get<int>());
    EXPECT_EQ(result.at("sent"), result.at("succeeded").get<int>() + result.at("failed").get<int>());
    EXPECT_GT(result.at("succeeded").get<int>(), 0);
    EXPECT_GT(result.at("latency_seconds").at("p50").get<double>(), 0);
    EXPECT_LE(result.at("latency_seconds").at("p50"), result.at("latency_seconds").at("max"));
  }
  EXPECT_GT(json.at("request_bytes").get<int>(), 3 * 2 * 4 * 8 * 4);
  EXPECT_GT(json.at("echoes_beside_compute").get<double>(), 0);
  EXPECT_EQ(json.at("load").at("loop"), "open");
  EXPECT_EQ(json.at("load").at("rate"), 300);
}

TEST(Bench, FailuresAreReportedByCodeAndMakeTheExitCodeOne) {
  FakeServer server;
  std::atomic<int> calls{0};
  server.OnAttend([&calls](const v1::AttendRequest& request, v1::AttendResponse* response) {
    if (++calls % 2 == 0) return grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "no room");
    *response->mutable_output() = request.queries();
    return grpc::Status::OK;
  });
  const FavorRun run = RunFavor(Bench(server.endpoint(), {"--closed-loop", "--concurrency", "1", "--json"}));
  EXPECT_EQ(run.exit_code, kExitFailure);
  EXPECT_THAT(run.error, AllOf(HasSubstr("attend calls failed: RESOURCE_EXHAUSTED: no room"), HasSubstr(" of ")));
  const Json json = Json::parse(run.out);
  const Json& error = json.at("attend").at("errors").at(0);
  EXPECT_EQ(error.at("code"), "RESOURCE_EXHAUSTED");
  EXPECT_EQ(error.at("count"), json.at("attend").at("failed"));
}

// The warm-up leaves a backlog that lasts longer than the counted time.
TEST(Bench, ALoadWithoutASuccessFails) {
  FakeServer server;
  server.OnAttend([](const v1::AttendRequest& request, v1::AttendResponse* response) {
    absl::SleepFor(absl::Milliseconds(20));
    *response->mutable_output() = request.queries();
    return grpc::Status::OK;
  });
  const FavorRun run =
      RunFavor(Bench(server.endpoint(), {"--rate", "1000", "--concurrency", "1", "--warm-up", "300ms", "--json"}));
  EXPECT_EQ(run.exit_code, kExitFailure);
  EXPECT_THAT(run.error, HasSubstr("attend calls that count was sent"));
  const Json attend = Json::parse(run.out).at("attend");
  EXPECT_EQ(attend.at("dropped"), attend.at("planned"));
  EXPECT_GT(attend.at("calls_per_second").get<double>(), 0);
}

TEST(Bench, SendsEveryOptionOfASpec) {
  FakeServer server;
  std::atomic<bool> is_auto = true, is_scaled = true;
  server.OnAttend([&](const v1::AttendRequest& request, v1::AttendResponse*) {
    if (request.spec().auto_().max_relative_error() != 0.25) is_auto = false;
    if (request.spec().scale() != 0.5) is_scaled = false;
    return grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "seen");
  });
  RunFavor(Bench(server.endpoint(), {"--mode", "auto", "--max-relative-error", "0.25", "--scale", "0.5"}));
  EXPECT_EQ(server.num_attend_calls(), 1);
  EXPECT_TRUE(is_auto);
  EXPECT_TRUE(is_scaled);
}

TEST(Bench, AFirstCallThatFailsIsTheWholeStory) {
  FakeServer server;
  server.OnAttend([](const v1::AttendRequest&, v1::AttendResponse*) {
    return grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "spec.precision is BF16");
  });
  const FavorRun run = RunFavor(Bench(server.endpoint(), {"--json"}));
  EXPECT_EQ(run.exit_code, kExitFailure);
  EXPECT_THAT(run.error, HasSubstr("favor bench: UNIMPLEMENTED: spec.precision is BF16"));
  EXPECT_EQ(Json::parse(run.out).at("error").at("code"), "UNIMPLEMENTED");
  EXPECT_EQ(server.num_attend_calls(), 1);
}

TEST(Bench, AnAbsentEchoIsNotTakenForAnAbsentServer) {
  FakeServer server;
  const FavorRun run = RunFavor(Bench(server.endpoint(), {"--echo-endpoint", "unix:/no/such/echo"}));
  EXPECT_EQ(run.exit_code, kExitFailure);
  EXPECT_THAT(run.error, AllOf(HasSubstr("UNAVAILABLE: echo at unix:/no/such/echo: "),
                               HasSubstr("is favor echo-server running there? (--echo-endpoint)"),
                               Not(HasSubstr("is favord running"))));
}

TEST(Bench, RefusesFlagsThatMakeNoSense) {
  const auto error = [](const std::vector<std::string>& flags) {
    const FavorRun run = RunFavor(Bench("127.0.0.1:1", flags));
    EXPECT_EQ(run.exit_code, kExitUsage) << run.error;
    return run.error;
  };
  EXPECT_THAT(error({"--rate", "0"}), HasSubstr("--rate is 0, it must be above 0"));
  EXPECT_THAT(error({"--rate", "nan"}), HasSubstr("--rate is nan"));
  EXPECT_THAT(error({"--concurrency", "0"}), HasSubstr("--concurrency is 0, the least is 1"));
  EXPECT_THAT(error({"--concurrency", "100000"}), HasSubstr("at most 4096"));
  EXPECT_THAT(error({"--length", "-1"}), HasSubstr("--length is -1, the least is 1"));
  EXPECT_THAT(error({"--batch", "1000000000000"}),
              HasSubstr("--batch 1000000000000 with --heads 2, --key-heads 2, --length 4, --key-length 4, --head-dim 8 "
                        "and --value-dim 8 has 7.68e+14 bytes, a message has at most 4294967295"));
  EXPECT_THAT(error({"--duration", "inf"}), HasSubstr("must end"));
  EXPECT_THAT(error({"--closed-loop", "--rate", "5"}), HasSubstr("--rate is of the open loop"));
  EXPECT_THAT(error({"--mode", "exact", "--kernel", "gaussian"}), HasSubstr("--kernel needs --mode features"));
  EXPECT_THAT(error({"--mode", "auto"}), HasSubstr("--mode auto needs --max-relative-error"));
  EXPECT_THAT(error({"--max-relative-error", "0.1"}), HasSubstr("--max-relative-error needs --mode auto"));
  EXPECT_THAT(error({"--echo", "--echo-endpoint", "127.0.0.1:1"}), HasSubstr("either --echo or --echo-endpoint"));
  EXPECT_THAT(error({"--endpoint", "favord.example.org:443", "--echo"}), HasSubstr("--echo measures on this machine"));
}

// A report with known figures.
BenchReport Report() {
  BenchReport report;
  report.plan.rate = 50;
  report.endpoint = "127.0.0.1:50051";
  report.request_bytes = 25'165'896;
  report.response_bytes = 8'388'746;
  report.server.server_version = "1.2.3";
  report.server.cpu_target = "AVX3";
  load::LoadResult& attend = report.attend;
  attend.planned = 6;
  attend.sent = 5;
  attend.dropped = 1;
  attend.succeeded = 4;
  attend.failures[absl::StatusCode::kDeadlineExceeded] = {1, "slow"};
  attend.elapsed = absl::Seconds(2);
  attend.work = {.calls = 4, .bytes = 4.0 * static_cast<double>(report.request_bytes + report.response_bytes)};
  for (int i = 1; i <= 4; ++i) {
    attend.latency.Record(i * absl::Milliseconds(20));
    attend.round_trip.Record(i * absl::Milliseconds(20));
    attend.compute.Record(i * absl::Milliseconds(5));
    attend.beside_compute.Record(i * absl::Milliseconds(15));
  }
  report.echo.emplace().sent = 1;
  report.echo->succeeded = 1;
  report.echo->round_trip.Record(absl::Milliseconds(25));
  return report;
}

TEST(BenchReport, TextHasTheFiguresAndTheirUnits) {
  std::ostringstream out;
  PrintText(Report(), out);
  const std::string text = out.str();
  for (const char* line : {"  calls           50 calls/s, poisson, at most 16 in flight on 1 connection\n",
                           "  bytes           25.2 MB sent, 8389 kB received\n",
                           "  calls           4 succeeded, 1 failed, 0 sent late, 1 dropped\n",
                           "  failed          1 times DEADLINE_EXCEEDED, first: slow\n",
                           "  throughput      2.0 calls/s, 67.1 MB/s, 8192 queries/s of all heads\n",
                           "  beside compute  1.20 echoes: 29.95 ms of 25.00 ms, medians\n",
                           "  note: 1 of 6 calls found all 16 callers busy"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST(BenchReport, JsonHasTheFigures) {
  const Json json = ToJson(Report());
  const Json& attend = json.at("attend");
  EXPECT_EQ(attend.at("queries_per_second"), 8192);
  EXPECT_EQ(attend.at("calls_per_second"), 2);
  EXPECT_NEAR(attend.at("megabytes_per_second").get<double>(), 67.1, 0.05);
  EXPECT_NEAR(attend.at("latency_seconds").at("mean").get<double>(), 0.05, 1e-9);
  EXPECT_NEAR(attend.at("compute_seconds").at("p50").get<double>(), 0.01, 1e-4);
  EXPECT_NEAR(json.at("echoes_beside_compute").get<double>(), 1.2, 0.01);
}

TEST(BenchReport, WithoutAnEchoThereIsNoneInIt) {
  BenchReport report = Report();
  report.echo.reset();
  EXPECT_FALSE(ToJson(report).contains("echo"));
  EXPECT_FALSE(ToJson(report).contains("echoes_beside_compute"));
  std::ostringstream out;
  PrintText(report, out);
  EXPECT_THAT(out.str(), Not(HasSubstr("echo")));
}

}  // namespace
}  // namespace favor::cli
