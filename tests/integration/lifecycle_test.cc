// From the start of the process to its end, as a service manager sees it.
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/harness/attend_wire.h"
#include "tests/integration/harness/await.h"
#include "tests/integration/harness/certificates.h"
#include "tests/integration/harness/favord.h"
#include "tests/integration/harness/rpc.h"
#include "tests/integration/harness/slowdown.h"
#include "tests/integration/harness/temp_dir.h"

namespace favor::testing {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

// What sd_notify(3) talks to.
class NotifySocket {
 public:
  explicit NotifySocket(const std::string& path) : fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
    EXPECT_EQ(bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    const timeval patience = {60, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  ~NotifySocket() { close(fd_); }

  std::string Receive() const {
    char buffer[256];
    const ssize_t count = recv(fd_, buffer, sizeof buffer, 0);
    return count < 0 ? "nothing" : std::string(buffer, static_cast<size_t>(count));
  }

 private:
  int fd_;
};

TEST(Lifecycle, TheServiceManagerIsToldOfReadinessAndOfTheEnd) {
  const TempDir dir;
  const NotifySocket manager(dir.File("notify"));
  Favord favord({.environment = {"NOTIFY_SOCKET=" + dir.File("notify")}});
  EXPECT_EQ(manager.Receive(), "READY=1");
  favord.process().Signal(SIGTERM);
  EXPECT_EQ(manager.Receive(), "STOPPING=1");
  EXPECT_EQ(favord.process().AwaitExit(absl::Seconds(20)), 0);
}

TEST(Lifecycle, TheServiceManagerIsToldOfAReloadAndOfItsEnd) {
  const TempDir dir;
  const NotifySocket manager(dir.File("notify"));
  Favord favord({.flags = {"--model", FAVOR_TEST_DATA_DIR "/models/sentence/bge"},
                 .environment = {"NOTIFY_SOCKET=" + dir.File("notify")}});
  ASSERT_EQ(manager.Receive(), "READY=1");
  favord.process().Signal(SIGHUP);
  EXPECT_THAT(manager.Receive(), ContainsRegex("^RELOADING=1\nMONOTONIC_USEC=[0-9]+$"));
  EXPECT_EQ(manager.Receive(), "READY=1");
  EXPECT_TRUE(Eventually([&] {
    const std::string log = favord.process().err().text();
    const size_t reload = log.find("\"event\":\"reload_signal\"");
    return reload != log.npos && log.find("\"event\":\"model_loaded\"", reload) != log.npos;
  }));
}

TEST(Lifecycle, ALoadThatFailsIsCountedAndLoggedWhoeverAskedForIt) {
  const TempDir dir;
  Favord favord({.flags = {"--model", "bge=" FAVOR_TEST_DATA_DIR "/models/sentence/bge", "--model-admin", "true"}});
  ASSERT_TRUE(favord.AwaitServing());
  const auto client = client::Client::Connect({.endpoint = favord.address()});
  const auto count = [&](const std::string& result) {
    return favord.Metrics().Sum("favor_model_loads_total", {{"result", result}});
  };
  const auto logs = [&](const std::string& event, const std::string& what) {
    return Eventually([&] {
      const std::string log = favord.process().err().text();
      const size_t line = log.find("\"event\":\"" + event + "\"");
      return line != log.npos && log.find(what, line) != log.npos;
    });
  };
  EXPECT_TRUE(absl::IsNotFound(client->LoadModel("mistyped").status()));
  EXPECT_EQ(count("error"), 0) << "nothing was tried";
  EXPECT_THAT(favord.process().err().text(), Not(HasSubstr("model_load_failed")));

  EXPECT_FALSE(client->LoadModel("empty", dir.File("")).ok());
  EXPECT_TRUE(logs("model_load_failed", "model empty: ")) << favord.process().err().text();
  EXPECT_EQ(count("error"), 1);
  ASSERT_TRUE(client->LoadModel("other", FAVOR_TEST_DATA_DIR "/models/sentence/bge").ok());
  EXPECT_TRUE(logs("model_loaded", "\"name\":\"other\""));
  EXPECT_EQ(count("ok"), 2);
}

TEST(Lifecycle, TheServiceManagersWatchdogHearsFromIt) {
  const TempDir dir;
  const NotifySocket manager(dir.File("notify"));
  Favord favord({.environment = {"NOTIFY_SOCKET=" + dir.File("notify"), "WATCHDOG_USEC=200000"}});
  ASSERT_EQ(manager.Receive(), "READY=1");
  // Each one but the first needs the compute pool's answer to the one before.
  for (int i = 0; i < 4; ++i) EXPECT_EQ(manager.Receive(), "WATCHDOG=1");
}

TEST(Lifecycle, AManagerThatIsNotThereIsNoReasonToStop) {
  Favord favord({.environment = {"NOTIFY_SOCKET=/no/such/socket"}});
  EXPECT_EQ(favord.Stop(), 0);
  EXPECT_THAT(favord.process().err().text(), HasSubstr("notify_failed"));
}

TEST(Lifecycle, FromStartToReadyTakesLessThanASecond) {
  const TempDir dir;
  const NotifySocket manager(dir.File("notify"));
  absl::Duration best = absl::InfiniteDuration();            // of a machine that does nothing else
  for (int i = 0; i < 5 && best >= absl::Seconds(1); ++i) {  // other tests may come between for a moment
    const double before = Slowdown();
    const absl::Time start = absl::Now();
    Favord favord({.environment = {"NOTIFY_SOCKET=" + dir.File("notify")}});
    EXPECT_EQ(manager.Receive(), "READY=1");
    const absl::Duration took = absl::Now() - start;
    best = std::min(best, took / std::max(before, Slowdown()));
    favord.Stop();
    EXPECT_EQ(manager.Receive(), "STOPPING=1");
  }
  EXPECT_LT(best, absl::Seconds(1));
  RecordProperty("ready_ms", static_cast<int>(absl::ToInt64Milliseconds(best)));
}

TEST(Lifecycle, EveryStepOfADrainIsLoggedWithItsTime) {
  Favord favord({.flags = {"--drain-delay", "200ms"}});
  EXPECT_EQ(favord.Stop(), 0);
  const std::string log = favord.process().err().text();
  EXPECT_THAT(log, HasSubstr("\"event\":\"stop_signal\""));
  EXPECT_THAT(log, HasSubstr("\"event\":\"drain_started\""));
  EXPECT_THAT(log, ContainsRegex("\"event\":\"drain_refusing_calls\".*\"after_ms\":[0-9]+"));
  EXPECT_THAT(log, ContainsRegex("\"event\":\"drain_finished\",\"calls_cancelled\":0,\"after_ms\":"));
}

TEST(Lifecycle, ALogThatNobodyReadsStopsNeitherCallsNorTheEnd) {
  Favord favord;
  ASSERT_TRUE(favord.AwaitServing());
  favord.process().StopReadingErr();
  // Some times what the pipe takes.
  for (int i = 0; i < 1000; ++i) {
    const AttendAnswer answer = Attend(favord.channel(), GoodRequest(), {.deadline = absl::Seconds(20)});
    ASSERT_TRUE(answer.ok()) << i << ": " << Describe(answer.status);
  }
  EXPECT_EQ(favord.Metrics().Sum("favor_log_lines_dropped_total"), 0) << "there was room";
  EXPECT_EQ(favord.Stop(), 0);
}

TEST(Check, ReadsWhatAStartWouldRead) {
  const TempDir dir;
  const Identity server = MakeIdentity("server"), other = MakeIdentity("other");
  const std::string certificate = dir.Write("certificate", server.certificate);
  const std::string key = dir.Write("key", server.key);
  const std::string keys = dir.Write("keys", "alice " + Sha256Of("x"));
  EXPECT_EQ(RunFavord({"--check", "--tls-certificate", certificate, "--tls-key", key, "--api-keys", keys}).exit_code,
            0);

  const struct {
    std::vector<std::string> flags;
    std::string part;
  } wrong[] = {
      {{"--tls-certificate", certificate, "--tls-key", dir.Write("other", other.key)}, "tls-key"},
      {{"--tls-certificate", dir.File("missing"), "--tls-key", key}, dir.File("missing")},
      {{"--api-keys", dir.Write("plain", "alice secret")}, "SHA-256"},
      {{"--model", "m=" + dir.File("no_model")}, "model m"},
      {{"--model", "m=" FAVOR_TEST_DATA_DIR "/models/sentence/bge", "--memory-budget", "20KiB"}, "memory-budget"},
      {{"--port-file", dir.File("no/such/folder")}, "port-file"},
      {{"--port-file", dir.path()}, "port-file"},
  };
  for (const auto& [flags, part] : wrong) {
    std::vector<std::string> arguments = {"--check"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    const Finished check = RunFavord(arguments);
    EXPECT_EQ(check.exit_code, 2) << part;
    EXPECT_THAT(check.err, HasSubstr(part));
  }
}

}  // namespace
}  // namespace favor::testing
