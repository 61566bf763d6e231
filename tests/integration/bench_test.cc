// favor bench against the server itself: its figures are those of the server, and it ends well when the server does
// not.
#include <signal.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/integration/harness/await.h"
#include "tests/integration/harness/favord.h"
#include "tests/integration/harness/sockets.h"
#include "tests/integration/harness/temp_dir.h"

namespace favor::testing {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

std::vector<std::string> Bench(const std::string& endpoint, const std::vector<std::string>& flags) {
  std::vector<std::string> arguments = {"bench", "--endpoint", endpoint, "--length", "16", "--warm-up", "50ms"};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  return arguments;
}

double HandledAttends(const Favord& favord) {
  return favord.Metrics().Sum("grpc_server_handled_total", {{"grpc_method", "Attend"}});
}

TEST(FavorBench, CountsWhatTheServerCountsOverTcpAndUnixSockets) {
  const TempDir dir;
  Favord favord({.addresses = {"127.0.0.1:0", "unix:" + dir.File("s")}});
  for (const std::string& address : favord.addresses()) {
    SCOPED_TRACE(address);
    const double before = HandledAttends(favord);
    const Finished run = RunFavor(Bench(address, {"--rate", "100", "--duration", "1s", "--echo", "--json"}));
    ASSERT_EQ(run.exit_code, 0) << run.err;
    const json report = json::parse(run.out);
    for (const char* part : {"attend", "echo"}) {
      const json& result = report.at(part);
      EXPECT_EQ(result.at("planned"), result.at("sent").get<int>() + result.at("dropped").get<int>());
      EXPECT_EQ(result.at("sent"), result.at("succeeded"));
      EXPECT_TRUE(result.at("errors").empty());
      // 100 Poisson arrivals a second give or take 5 standard deviations, all of which are sent or dropped.
      EXPECT_NEAR(result.at("planned").get<double>(), 100, 50);
    }
    // The server also saw the first call and the warm-up.
    EXPECT_TRUE(Eventually([&] { return favord.CallsInFlight() == 0; }));  // counted a moment after they are answered
    const double handled = HandledAttends(favord) - before;
    EXPECT_GE(handled, 1 + report.at("attend").at("sent").get<double>());
    EXPECT_LE(handled, 1 + 40 + report.at("attend").at("sent").get<double>());
    EXPECT_GT(report.at("attend").at("compute_seconds").at("p50").get<double>(), 0);
    EXPECT_LT(report.at("attend").at("compute_seconds").at("p50"), report.at("attend").at("latency_seconds").at("p50"));
    EXPECT_GT(report.at("echoes_beside_compute").get<double>(), 0);
  }
}

TEST(FavorBench, NobodyThereIsAnErrorThatNamesTheEndpoint) {
  std::string address;
  {
    const BusyPort port;
    address = port.address();
  }
  const Finished run = RunFavor(Bench(address, {}));
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("UNAVAILABLE"));
  EXPECT_THAT(run.err, HasSubstr("is favord running at " + address));
  EXPECT_EQ(run.out, "");
}

TEST(FavorBench, AServerThatDiesInTheMiddleEndsTheLoadWithWhatWasMeasured) {
  Favord favords[2];
  std::vector<std::unique_ptr<Process>> benches;
  for (const std::vector<std::string>& loop :
       {std::vector<std::string>{"--closed-loop"}, std::vector<std::string>{"--rate", "200"}}) {
    Favord& favord = favords[benches.size()];
    ProcessOptions options{.arguments = Bench(favord.address(), loop)};
    options.arguments.insert(options.arguments.begin(), FAVOR_FAVOR_PATH);
    // Next to no warm-up, whose calls do not count: on a fast machine it would be over 50 calls long.
    for (const char* flag : {"--duration", "10m", "--warm-up", "1us", "--json"}) options.arguments.push_back(flag);
    benches.push_back(std::make_unique<Process>(options));
    ASSERT_TRUE(Eventually([&] { return HandledAttends(favord) > 50; }));
    favord.process().Signal(SIGKILL);
  }
  // Each waits for its server for ten seconds.
  for (const auto& process : benches) {
    Process& bench = *process;
    ASSERT_EQ(bench.AwaitExit(absl::Seconds(60)), 1) << bench.err().text();
    EXPECT_THAT(bench.err().text(), HasSubstr("stopped early"));
    EXPECT_THAT(bench.err().text(), HasSubstr("UNAVAILABLE"));
    const json attend = json::parse(bench.out().text()).at("attend");
    EXPECT_TRUE(attend.at("stopped_early").get<bool>());
    EXPECT_GT(attend.at("succeeded").get<int>(), 0);
    EXPECT_EQ(attend.at("sent"), attend.at("succeeded").get<int>() + attend.at("failed").get<int>());
  }
}

TEST(FavorBench, LeavesNothingOfItsEchoBehind) {
  const TempDir dir, temporary;
  Favord favord({.addresses = {"unix:" + dir.File("s")}});
  const Finished run = RunFavor(Bench(favord.address(), {"--rate", "50", "--duration", "200ms", "--echo", "--json"}),
                                {"TMPDIR=" + temporary.path()});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(json::parse(run.out).at("echo").at("endpoint"), HasSubstr("unix-abstract:"));
  EXPECT_TRUE(std::filesystem::is_empty(temporary.path()));

  const double before = HandledAttends(favord);
  ProcessOptions options{.arguments = Bench(favord.address(), {"--rate", "50", "--duration", "10m", "--echo"}),
                         .environment = {"TMPDIR=" + temporary.path()}};
  options.arguments.insert(options.arguments.begin(), FAVOR_FAVOR_PATH);
  Process stopped(options);
  ASSERT_TRUE(Eventually([&] { return HandledAttends(favord) > before + 5; }));
  stopped.Signal(SIGINT);
  stopped.AwaitExit(absl::Seconds(20));
  EXPECT_TRUE(std::filesystem::is_empty(temporary.path()));
}

// The input of a process that is not waited for is closed by the system when its parent has gone, however it went.
TEST(FavorEchoServer, EndsWhenItsInputDoes) {
  const Finished run = RunFavor({"echo-server", "--address", "127.0.0.1:0", "--until-input-ends"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("127.0.0.1:"));
}

TEST(FavorEchoServer, SaysWhereItListensAndServes) {
  const TempDir dir;
  Favord favord;
  Process echo({.arguments = {FAVOR_FAVOR_PATH, "echo-server", "--address", "unix:" + dir.File("echo")}});
  const auto address = echo.out().Await(
      [](const std::string& text) -> std::optional<std::string> {
        if (text.empty() || text.back() != '\n') return std::nullopt;
        return text.substr(0, text.size() - 1);
      },
      absl::Seconds(20));
  ASSERT_EQ(address, "unix:" + dir.File("echo"));
  const Finished run =
      RunFavor(Bench(favord.address(), {"--rate", "50", "--duration", "300ms", "--echo-endpoint", *address}));
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("plain gRPC echo of the same bytes"));
  EXPECT_TRUE(echo.running());
}

}  // namespace
}  // namespace favor::testing
