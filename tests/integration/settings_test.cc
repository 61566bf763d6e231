// Settings of favord, from wherever they come, and what it says of those it cannot use.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "favor/base/version.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/harness/attend_wire.h"
#include "tests/integration/harness/await.h"
#include "tests/integration/harness/certificates.h"
#include "tests/integration/harness/favord.h"
#include "tests/integration/harness/rpc.h"
#include "tests/integration/harness/sockets.h"
#include "tests/integration/harness/temp_dir.h"

namespace favor::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

const std::vector<std::string> kSettings = {"address",
                                            "metrics-address",
                                            "port-file",
                                            "tls-certificate",
                                            "tls-key",
                                            "tls-client-ca",
                                            "api-keys",
                                            "key-rate",
                                            "key-burst",
                                            "key-calls",
                                            "reload-period",
                                            "health-access",
                                            "reflection-access",
                                            "channelz-access",
                                            "threads",
                                            "grpc-threads",
                                            "max-message-size",
                                            "memory-budget",
                                            "max-calls",
                                            "low-priority-share",
                                            "normal-priority-share",
                                            "max-concurrent-streams",
                                            "max-metadata-size",
                                            "handshake-timeout",
                                            "keepalive-time",
                                            "keepalive-timeout",
                                            "min-ping-interval",
                                            "max-connection-idle",
                                            "max-connection-age",
                                            "max-connection-age-grace",
                                            "projection-cache-size",
                                            "drain-delay",
                                            "drain-timeout",
                                            "log-level",
                                            "log-every",
                                            "slow-call",
                                            "otlp-endpoint",
                                            "otlp-ca",
                                            "otlp-service-name",
                                            "trace-sample-ratio",
                                            "measure-sample-ratio"};

std::string EnvironmentName(std::string name) {
  for (char& c : name) c = c == '-' ? '_' : static_cast<char>(std::toupper(c));
  return absl::StrCat("FAVORD_", name);
}

TEST(Settings, HelpListsEachWithItsVariableAndDefault) {
  const Finished help = RunFavord({"--help"});
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_EQ(help.err, "");
  for (const std::string& name : kSettings) {
    EXPECT_THAT(help.out, HasSubstr(absl::StrCat("--", name, " ")));
    EXPECT_THAT(help.out, HasSubstr(EnvironmentName(name)));
  }
  EXPECT_THAT(help.out, AllOf(HasSubstr("127.0.0.1:50051"), HasSubstr("127.0.0.1:9464"), HasSubstr("256MiB")));
}

TEST(Settings, VersionIsThatOfTheProject) {
  const Finished version = RunFavord({"--version"});
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_THAT(version.out, HasSubstr(std::string(kVersion)));
}

TEST(Settings, CheckShowsEveryValueAndWhereItCameFrom) {
  const TempDir dir;
  const std::string file =
      dir.Write("favord.conf", "# a comment\n\nthreads = 2\nmax-calls=7\n  log-level =  warning \ndrain-delay = 1s\n");
  const Finished check = RunFavord({"--check", "--config", file, "--threads", "5", "--max-message-size=3MiB"},
                                   {"FAVORD_THREADS=3", "FAVORD_DRAIN_DELAY=250ms"});
  EXPECT_EQ(check.exit_code, 0) << check.err;
  for (const std::string& name : kSettings) EXPECT_THAT(check.out, HasSubstr(absl::StrCat("\n", name, " =")));
  EXPECT_THAT(check.out, HasSubstr("# from flag\nthreads = 5\n"));
  EXPECT_THAT(check.out, HasSubstr("# from flag\nmax-message-size = 3MiB\n"));
  EXPECT_THAT(check.out, HasSubstr("# from environment\ndrain-delay = 250ms\n"));
  EXPECT_THAT(check.out, HasSubstr("# from " + file + "\nmax-calls = 7\n"));
  EXPECT_THAT(check.out, HasSubstr("# from " + file + "\nlog-level = warning\n"));
  EXPECT_THAT(check.out, HasSubstr("# from default\ngrpc-threads = 1\n"));
}

TEST(Settings, WhatCheckPrintsIsAFileThatGivesTheSameSettings) {
  const TempDir dir;
  const Finished first = RunFavord({"--check", "--address", "127.0.0.1:0,unix:/tmp/x", "--memory-budget", "1.5GiB",
                                    "--drain-timeout", "1m30s", "--metrics-address", ""});
  ASSERT_EQ(first.exit_code, 0) << first.err;
  const Finished second = RunFavord({"--check", "--config", dir.Write("settings", first.out)});
  ASSERT_EQ(second.exit_code, 0) << second.err;
  const auto without_comments = [](const std::string& text) {
    std::string rest;
    for (size_t at = 0; at < text.size();) {
      const size_t end = text.find('\n', at) + 1;
      if (text[at] != '#') rest += text.substr(at, end - at);
      at = end;
    }
    return rest;
  };
  EXPECT_EQ(without_comments(first.out), without_comments(second.out));
}

TEST(Settings, FileNamedByTheEnvironmentIsRead) {
  const TempDir dir;
  const Finished check = RunFavord({"--check"}, {"FAVORD_CONFIG=" + dir.Write("conf", "threads = 9\n")});
  EXPECT_EQ(check.exit_code, 0) << check.err;
  EXPECT_THAT(check.out, HasSubstr("threads = 9\n"));
}

TEST(Settings, EnvironmentReachesTheServer) {
  Favord favord({.environment = {"FAVORD_MAX_MESSAGE_SIZE=4KiB"}});
  v1::AttendRequest request = GoodRequest();
  request.mutable_queries()->mutable_data()->resize(5000);
  EXPECT_EQ(Attend(favord.channel(), request).status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST(Settings, OfOthersServicesInTheEnvironmentAreNoError) {
  // Kubernetes puts such variables into every container when a service is called favord.
  Favord favord({.environment = {"FAVORD_SERVICE_HOST=10.0.0.1", "FAVORD_PORT=tcp://10.0.0.1:50051"}});
  EXPECT_TRUE(Attend(favord.channel(), GoodRequest()).ok());
}

struct Refused {
  std::vector<std::string> flags;
  std::vector<std::string> parts;  // of the message
};

TEST(Settings, WrongOnesAreRefusedByNameValueAndBound) {
  const TempDir dir;
  const std::string unknown = dir.Write("unknown", "threads = 2\nno-such-thing = 1\n");
  const std::string twice = dir.Write("twice", "threads = 2\nthreads = 3\n");
  const std::string no_pair = dir.Write("no_pair", "threads\n");
  const std::string bad_value = dir.Write("bad_value", "\n\nthreads = many\n");
  const Refused cases[] = {
      {{"--no-such-flag", "1"}, {"--no-such-flag", "--help"}},
      {{"stray"}, {"stray"}},
      {{"-x"}, {"-x"}},
      {{"--threads"}, {"--threads", "needs a value"}},
      {{"--threads", "0"}, {"threads", "0", "1 to 1024"}},
      {{"--threads", "1025"}, {"threads", "1025", "1 to 1024"}},
      {{"--threads", "-1"}, {"threads", "-1"}},
      {{"--threads", "two"}, {"threads", "two"}},
      {{"--threads", "2.5"}, {"threads", "2.5"}},
      {{"--threads", ""}, {"threads"}},
      {{"--threads", "99999999999999999999"}, {"threads", "99999999999999999999"}},
      {{"--max-message-size", "5GiB"}, {"max-message-size", "5GiB"}},
      {{"--max-message-size", "1"}, {"max-message-size", "1KiB"}},
      {{"--max-message-size", "10 bananas"}, {"max-message-size", "bananas"}},
      {{"--memory-budget", "nan"}, {"memory-budget", "nan"}},
      {{"--memory-budget", "1e400"}, {"memory-budget", "1e400"}},
      {{"--drain-delay", "-1s"}, {"drain-delay", "-1s"}},
      {{"--drain-delay", "25h"}, {"drain-delay", "24h"}},
      {{"--drain-delay", "inf"}, {"drain-delay", "inf"}},
      {{"--drain-delay", "soon"}, {"drain-delay", "soon"}},
      {{"--log-level", "loud"}, {"log-level", "loud", "warning"}},
      {{"--address", "nowhere"}, {"address", "nowhere"}},
      {{"--address", "127.0.0.1:99999"}, {"address", "99999"}},
      {{"--address", "127.0.0.1:"}, {"address", "127.0.0.1:"}},
      {{"--address", ""}, {"address"}},
      {{"--address", "unix:"}, {"address", "unix:"}},
      {{"--address", "::1:50051"}, {"address", "::1:50051", "[address]:port"}},
      {{"--address", "unix:/" + std::string(107, 'x')}, {"address", "108 bytes", "107"}},
      {{"--address", "127.0.0.1:7,0.0.0.0:7"}, {"127.0.0.1:7", "0.0.0.0:7", "the same"}},
      {{"--address", "127.0.0.1:9464"}, {"127.0.0.1:9464", "metrics-address", "the same"}},
      {{"--port-file", "/tmp/x", "--address", "unix:/tmp/y"}, {"port-file", "host:port"}},
      {{"--metrics-address", "unix:/tmp/x"}, {"metrics-address", "unix:/tmp/x"}},
      {{"--metrics-address", "[::1]:9464"}, {"metrics-address", "[::1]:9464", "IPv6"}},
      {{"--trace-sample-ratio", "0x1"}, {"trace-sample-ratio", "0x1", "0 to 1"}},
      {{"--tls-certificate", "/tmp/x.pem"}, {"tls-certificate", "tls-key"}},
      {{"--tls-client-ca", "/tmp/x.pem"}, {"tls-client-ca", "tls-certificate"}},
      {{"--config", dir.File("missing")}, {dir.File("missing")}},
      {{"--config", unknown}, {unknown + ":2", "no-such-thing"}},
      {{"--config", twice}, {twice + ":2", "threads", "twice"}},
      {{"--config", no_pair}, {no_pair + ":1", "threads"}},
      {{"--config", bad_value}, {bad_value + ":3", "threads", "many"}},
      {{"--config", dir.path()}, {dir.path()}},
  };
  for (const Refused& refused : cases) {
    for (const bool check : {false, true}) {
      std::vector<std::string> flags = refused.flags;
      if (check) flags.insert(flags.begin(), "--check");
      const Finished run = RunFavord(flags);
      SCOPED_TRACE(absl::StrCat(refused.flags[0], " ", refused.flags.back(), check ? " --check" : "", "\n", run.err));
      EXPECT_EQ(run.exit_code, 2);
      for (const std::string& part : refused.parts) EXPECT_THAT(run.err, HasSubstr(part));
      EXPECT_LT(run.took, absl::Seconds(10));
    }
  }
}

TEST(Settings, AVariableThatIsNoSettingIsAWarning) {
  const Finished check = RunFavord({"--check"}, {"FAVORD_MAX_CALL=5"});
  EXPECT_EQ(check.exit_code, 0);
  EXPECT_THAT(check.err, AllOf(HasSubstr("\"event\":\"unknown_variable\""), HasSubstr("\"FAVORD_MAX_CALL\"")));
}

TEST(Settings, EnvironmentIsCheckedAsFlagsAre) {
  const Finished run = RunFavord({"--check"}, {"FAVORD_THREADS=none"});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.err, AllOf(HasSubstr("FAVORD_THREADS"), HasSubstr("none")));
}

TEST(Start, FailsOnABusyPortByName) {
  const BusyPort busy;
  const Finished grpc = RunFavord({"--address", busy.address(), "--metrics-address", "127.0.0.1:0"});
  EXPECT_EQ(grpc.exit_code, 1) << grpc.err;
  EXPECT_THAT(grpc.err, HasSubstr(busy.address()));
  const Finished second = RunFavord({"--address", "127.0.0.1:0," + busy.address(), "--metrics-address", ""});
  EXPECT_EQ(second.exit_code, 1) << second.err;
  EXPECT_THAT(second.err, HasSubstr(busy.address()));
  const Finished metrics = RunFavord({"--address", "127.0.0.1:0", "--metrics-address", busy.address()});
  EXPECT_EQ(metrics.exit_code, 1) << metrics.err;
  EXPECT_THAT(metrics.err, HasSubstr(busy.address()));
}

TEST(Start, FailsOnThePortOfAnotherFavord) {
  Favord favord;
  const Finished run = RunFavord({"--address", favord.address(), "--metrics-address", "127.0.0.1:0"});
  EXPECT_EQ(run.exit_code, 1) << run.err;
  EXPECT_THAT(run.err, HasSubstr(favord.address()));
  EXPECT_TRUE(Attend(favord.channel(), GoodRequest()).ok());
}

TEST(Start, FailsOnTheSocketOfAnotherFavordAndTakesThatOfOneThatWasKilled) {
  const TempDir dir;
  const std::string address = "unix:" + dir.File("socket");
  Favord favord({.addresses = {address}});
  const Finished run = RunFavord({"--address", address, "--metrics-address", ""});
  EXPECT_EQ(run.exit_code, 1) << run.err;
  EXPECT_THAT(run.err, AllOf(HasSubstr(address), HasSubstr("another server answers there")));
  EXPECT_TRUE(Attend(favord.channel(), GoodRequest()).ok());
  favord.process().Signal(SIGKILL);
  ASSERT_TRUE(favord.process().AwaitExit(absl::Seconds(30)).has_value());
  Favord successor({.addresses = {address}});
  EXPECT_TRUE(Attend(successor.channel(), GoodRequest()).ok());
}

TEST(Start, FailsOnFilesOfTlsThatCannotBeUsed) {
  const TempDir dir;
  const std::string garbage = dir.Write("garbage.pem", "this is no certificate\n");
  for (const std::string& file : {dir.File("missing.pem"), garbage}) {
    const Finished run =
        RunFavord({"--address", "127.0.0.1:0", "--metrics-address", "", "--tls-certificate", file, "--tls-key", file});
    EXPECT_NE(run.exit_code, 0) << run.err;
    EXPECT_GT(run.exit_code, 0) << "ended by a signal";
    EXPECT_THAT(run.err, Not(HasSubstr("Check failed")));
  }
}

TEST(Start, WritesThePortFile) {
  const TempDir dir;
  Favord favord({.flags = {"--port-file", dir.File("port")}});
  EXPECT_THAT(favord.address(), HasSubstr(absl::StrCat(":", std::atoi(ReadWholeFile(dir.File("port")).c_str()))));
}

TEST(Start, APortFileThatIsNoRegularFileIsWrittenTo) {
  const TempDir dir;
  const std::string pipe = dir.File("pipe");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  const int reader = open(pipe.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  Favord favord({.flags = {"--port-file", pipe}});
  char port[16] = {};
  EXPECT_GT(read(reader, port, sizeof(port) - 1), 0);
  EXPECT_THAT(favord.address(), HasSubstr(absl::StrCat(":", std::atoi(port))));
  EXPECT_EQ(close(reader), 0);
}

TEST(Start, WithClosedStandardStreamsPutsNoLogElsewhere) {
  const TempDir dir;
  const std::string keys = dir.Write("keys", "alice " + Sha256Of("x") + "\n");
  Process favord(
      {.arguments = {"/bin/sh", "-c",
                     absl::StrCat("exec ", FavordPath(), " --address 127.0.0.1:0 --metrics-address 127.0.0.1:0",
                                  " --api-keys ", keys, " --port-file ", dir.File("port"), " <&- >&- 2>&-")}});
  ASSERT_TRUE(Eventually([&] { return !ReadWholeFile(dir.File("port")).empty(); }));
  for (const char* stream : {"0", "1", "2"}) {
    EXPECT_EQ(std::filesystem::read_symlink(absl::StrCat("/proc/", favord.pid(), "/fd/", stream)), "/dev/null");
  }
}

TEST(Start, ShowsItsSettings) {
  Favord favord({.flags = {"--max-calls", "77"}});
  const std::string log = favord.process().err().text();
  for (const std::string& name : kSettings) EXPECT_THAT(log, HasSubstr(name));
  EXPECT_THAT(log, HasSubstr("77"));
}

}  // namespace
}  // namespace favor::testing
