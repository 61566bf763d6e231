#include "tests/integration/harness/favord.h"

#include <signal.h>

#include <cstdlib>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/integration/harness/rpc.h"
#include "tests/integration/harness/sockets.h"
#include "tests/integration/harness/temp_dir.h"

namespace favor::testing {
namespace {

// How long a start may take on a machine that is busy with other tests, under a sanitizer.
constexpr absl::Duration kStartTimeout = absl::Seconds(60);

// The line of the log that tells of an event, once it is there.
auto FindLineOf(const std::string& event) {
  return [field = absl::StrCat("\"event\":\"", event, "\"")](const std::string& log) -> std::optional<std::string> {
    for (const absl::string_view line : absl::StrSplit(log, '\n')) {
      if (absl::StrContains(line, field)) return std::string(line);
    }
    return std::nullopt;
  };
}

// A field of /proc/PID/status in bytes.
int64_t StatusBytes(pid_t pid, const std::string& field) {
  std::istringstream status(ReadWholeFile(absl::StrCat("/proc/", pid, "/status")));
  for (std::string line; std::getline(status, line);) {
    if (absl::StartsWith(line, field + ":")) return std::atoll(line.c_str() + field.size() + 1) * 1024;
  }
  return 0;
}

}  // namespace

Favord::Favord(const FavordOptions& options) {
  ProcessOptions process;
  // Of a flag that comes twice the last one holds.
  process.arguments = {
      FAVOR_FAVORD_PATH, "--address", absl::StrJoin(options.addresses, ","), "--metrics-address", "127.0.0.1:0",
      "--drain-delay",   "0s"};
  process.arguments.insert(process.arguments.end(), options.flags.begin(), options.flags.end());
  process.environment = options.environment;
  process.max_open_files = options.max_open_files;
  process_ = std::make_unique<Process>(process);

  const std::optional<std::string> line = process_->err().Await(FindLineOf("started"), kStartTimeout);
  if (!line) {
    ADD_FAILURE() << "favord did not start; its log:\n" << process_->err().text();
    addresses_ = {"127.0.0.1:1"};  // where nobody answers
    return;
  }
  const auto json = nlohmann::json::parse(*line);
  addresses_ = json.at("addresses").get<std::vector<std::string>>();
  metrics_address_ = json.value("metrics_address", "");
}

std::shared_ptr<grpc::Channel> Favord::channel() {
  const absl::MutexLock lock(&channel_mutex_);
  if (channel_ == nullptr) channel_ = ConnectTo(address());
  return channel_;
}

bool Favord::AwaitServing() { return process_->err().Await(FindLineOf("serving"), kStartTimeout).has_value(); }

Exposition Favord::Metrics() const {
  const absl::StatusOr<HttpAnswer> answer = HttpGet(metrics_address_, "/metrics");
  EXPECT_TRUE(answer.ok()) << answer.status();
  if (!answer.ok()) return {};
  const absl::StatusOr<Exposition> exposition = Exposition::Parse(answer->body);
  EXPECT_TRUE(exposition.ok()) << exposition.status();
  return exposition.ok() ? *exposition : Exposition();
}

int64_t Favord::ResidentBytes() const { return StatusBytes(process_->pid(), "VmRSS"); }
int64_t Favord::PeakResidentBytes() const { return StatusBytes(process_->pid(), "VmHWM"); }

int Favord::Stop(absl::Duration timeout) {
  process_->Signal(SIGTERM);
  const std::optional<int> exit_code = process_->AwaitExit(timeout);
  EXPECT_TRUE(exit_code.has_value()) << "favord still runs; its log:\n" << process_->err().text();
  return exit_code.value_or(-1);
}

std::string FavordPath() { return FAVOR_FAVORD_PATH; }

Finished RunFavord(const std::vector<std::string>& flags, const std::vector<std::string>& environment) {
  ProcessOptions options{.arguments = {FAVOR_FAVORD_PATH}, .environment = environment};
  options.arguments.insert(options.arguments.end(), flags.begin(), flags.end());
  return Run(options, kStartTimeout);
}

Finished RunFavor(const std::vector<std::string>& arguments, const std::vector<std::string>& environment) {
  ProcessOptions options{.arguments = {FAVOR_FAVOR_PATH}, .environment = environment};
  options.arguments.insert(options.arguments.end(), arguments.begin(), arguments.end());
  return Run(options);
}

}  // namespace favor::testing
