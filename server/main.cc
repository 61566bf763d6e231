// favord: see server.h for what it serves, config/settings.cc for what can be set.
#include <fcntl.h>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "favor/base/version.h"
#include "favor/kernels/cpu_target.h"
#include "server/config/command_line.h"
#include "server/config/settings.h"
#include "server/last_lines.h"
#include "server/observability/grpc_log.h"
#include "server/observability/log.h"
#include "server/observability/protobuf_log.h"
#include "server/server.h"
#include "server/stop_signals.h"
#include "server/supervisor.h"
#include "server/watchdog.h"

namespace favor {
namespace {

constexpr int kExitCannotServe = 1;
constexpr int kExitWrongSettings = 2;

// The end waits for the log's reader, who may have stopped reading.
constexpr absl::Duration kLastLines = absl::Seconds(1);

Log::Fields SettingsInForce(const CommandLine& command_line) {
  Log::Fields fields = Log::Fields::object();
  for (const Setting& setting : AllSettings()) {
    fields[setting.name] = {{"value", setting.show(command_line.config)},
                            {"from", command_line.sources.at(setting.name)}};
  }
  return fields;
}

// Not refused: a Kubernetes service by the name of favord puts such variables into every pod.
void WarnOfUnknownVariables(const CommandLine& command_line, const Log& log) {
  for (const std::string& variable : command_line.unknown_variables) {
    log.Write(LogLevel::kWarning, "unknown_variable", {{"name", variable}});
  }
}

int Check(const CommandLine& command_line) {
  std::fputs(EffectiveSettings(command_line).c_str(), stdout);
  const Log log(STDERR_FILENO, command_line.config.log_level);
  WarnOfUnknownVariables(command_line, log);
  const absl::Status status = Server::Check(command_line.config, &log);
  log.Flush(kLastLines);
  if (status.ok()) return 0;
  std::fprintf(stderr, "favord: %s\n", std::string(status.message()).c_str());
  return kExitWrongSettings;
}

// A supervisor that cannot be reached is no reason to stop serving.
void Tell(const Log& log, absl::string_view state) {
  const absl::Status status = NotifySupervisor(state);
  if (!status.ok()) log.Write(LogLevel::kWarning, "notify_failed", {{"message", std::string(status.message())}});
}

void Reload(Server* server, const Log& log) {
  log.Write(LogLevel::kInfo, "reload_signal", {{"number", SIGHUP}});
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);  // by which a supervisor tells one reload from another
  Tell(log, absl::StrCat("RELOADING=1\nMONOTONIC_USEC=", absl::ToInt64Microseconds(absl::DurationFromTimespec(now))));
  server->Reload([&log] { Tell(log, "READY=1"); });
}

// Until a signal to stop, whose number it returns.
int ServeUntilStopped(Server* server, const Log& log, StopSignals* signals) {
  Watchdog watchdog([server](std::function<void()> answered) { server->Ping(std::move(answered)); },
                    [&log] { Tell(log, "WATCHDOG=1"); });
  const absl::Duration timeout = WatchdogTimeout();
  const bool is_watched = timeout > absl::ZeroDuration();
  while (true) {
    const int signal = signals->Wait(is_watched ? timeout / 4 : absl::Hours(1));
    if (signal == SIGHUP) {
      Reload(server, log);
    } else if (signal != 0) {
      return signal;
    }
    if (is_watched) watchdog.Look();
  }
}

int Serve(const CommandLine& command_line, const Log& log, StopSignals* signals) {
  WarnOfUnknownVariables(command_line, log);
  auto server = Server::Start(command_line.config, &log);
  if (!server.ok()) {
    log.Write(LogLevel::kError, "start_failed", {{"message", std::string(server.status().message())}});
    return kExitCannotServe;
  }
  log.Write(LogLevel::kInfo, "started",
            {{"version", kVersion},
             {"cpu_target", CpuTargetName()},
             {"pid", getpid()},
             {"addresses", (*server)->addresses()},
             {"metrics_address", (*server)->metrics_address()},
             {"settings", SettingsInForce(command_line)}});

  const auto stop_waiting = [signals](absl::Duration time) { return signals->WaitFor(time); };
  const absl::Status loaded = (*server)->LoadModels(stop_waiting);
  if (!loaded.ok()) {
    const bool stopped = absl::IsCancelled(loaded);
    if (!stopped) log.Write(LogLevel::kError, "start_failed", {{"message", std::string(loaded.message())}});
    (*server)->Drain([](absl::Duration) { return true; });
    return stopped ? 0 : kExitWrongSettings;
  }
  Tell(log, "READY=1");
  const int signal = ServeUntilStopped(server->get(), log, signals);
  log.Write(LogLevel::kInfo, "stop_signal", {{"number", signal}});
  Tell(log, "STOPPING=1");
  (*server)->Drain(stop_waiting);
  return 0;
}

int ServeAndLog(const CommandLine& command_line, StopSignals* signals) {
  // Never deleted: gRPC's threads may log to the very end.
  static const Log& log = *new Log(STDERR_FILENO, command_line.config.log_level);
  SendGrpcLogTo(&log);
  SendProtobufLogTo(&log);
  WriteLastLinesOnCrash(&log);
  const int exit_code = Serve(command_line, log, signals);
  log.Flush(kLastLines);
  return exit_code;
}

// Out of descriptors, gRPC 1.51 stops listening for good: so take all there are to be had.
void RaiseDescriptorLimit() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// By default glibc takes every message's megabytes from the system and gives them back, page fault by page fault. Kept
// in the heap instead, 25 MB in and 8 MB out take 45 ms beside the kernels instead of 60 (two cores, loopback). Buffers
// from 64 MiB on still come and go with their call, so one huge call does not stay resident.
void TuneMalloc() {
  mallopt(M_MMAP_THRESHOLD, 64 << 20);
  mallopt(M_TRIM_THRESHOLD, 256 << 20);
  mallopt(M_TOP_PAD, 16 << 20);
  // What one thread frees the next call of another thread uses: memory does not grow from call to call.
  mallopt(M_ARENA_MAX, 1);
}

// Debian builds Abseil with its search for lock cycles switched on, which every lock of gRPC and of ours pays for.
// Builds for tests keep it.
void SwitchOffLockSearch() {
#ifdef NDEBUG
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
#endif
}

// What is opened first would take the place of a standard stream that is closed, and get its text.
void OpenStandardStreams() {
  for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; ++stream) {
    if (syscall(SYS_fcntl, stream, F_GETFD) >= 0) continue;
    // Takes the lowest place that is free.
    [[maybe_unused]] const int64_t null = syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR);
  }
}

// Libraries open descriptors of their own when they are loaded: this runs before. By plain system calls, since so early
// those of a sanitizer are not ready.
[[gnu::section(".preinit_array"), gnu::used]] void (*open_standard_streams)() = OpenStandardStreams;

int Main(const std::vector<std::string>& arguments, const std::vector<std::string>& environment) {
  TuneMalloc();
  SwitchOffLockSearch();
  RaiseDescriptorLimit();
  StopSignals signals;
  const absl::StatusOr<CommandLine> command_line = ParseCommandLine(arguments, environment);
  if (!command_line.ok()) {
    std::fprintf(stderr, "favord: %s\n", std::string(command_line.status().message()).c_str());
    return kExitWrongSettings;
  }
  switch (command_line->action) {
    case CommandLine::Action::kHelp:
      std::fputs(HelpText().c_str(), stdout);
      return 0;
    case CommandLine::Action::kVersion:
      std::printf("favord %s\n", kVersion);
      return 0;
    case CommandLine::Action::kCheck:
      return Check(*command_line);
    case CommandLine::Action::kServe:
      return ServeAndLog(*command_line, &signals);
  }
  return kExitWrongSettings;
}

}  // namespace
}  // namespace favor

int main(int argc, char** argv) {
  std::vector<std::string> environment;
  for (char** variable = environ; *variable != nullptr; ++variable) environment.emplace_back(*variable);
  return favor::Main({argv + 1, argv + argc}, environment);
}
