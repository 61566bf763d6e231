#include "tests/integration/harness/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "tests/integration/harness/process_fault.h"
#include "tests/support/sanitizer.h"

namespace favor::testing {
namespace {

struct Pipe {
  int read_end = -1;
  int write_end = -1;
};

Pipe MakePipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    std::perror("pipe2");
    std::abort();
  }
  return {ends[0], ends[1]};
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

void Collect(int fd, CollectedText* text) {
  char buffer[4096];
  for (;;) {
    const ssize_t count = read(fd, buffer, sizeof(buffer));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    text->Append(buffer, count);
  }
  close(fd);
  text->Close();
}

// In the child, between fork and exec: only what POSIX calls async-signal-safe, as other threads' locks may be held.
[[noreturn]] void BecomeProgram(char** arguments, char** environment, int out, int err, uint64_t max_open_files) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const int null = open("/dev/null", O_RDONLY);
  dup2(null, STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  if (max_open_files != 0) {
    const rlimit limit{max_open_files, max_open_files};
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  execve(arguments[0], arguments, environment);
  _exit(127);
}

}  // namespace

void CollectedText::Append(const char* data, size_t size) {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(
      +[](bool* held) { return !*held; }, &held_));
  text_.append(data, size);
}

void CollectedText::Hold(bool held) {
  absl::MutexLock lock(&mutex_);
  held_ = held;
}

void CollectedText::Close() {
  absl::MutexLock lock(&mutex_);
  closed_ = true;
}

std::string CollectedText::text() const {
  absl::MutexLock lock(&mutex_);
  return text_;
}

std::optional<std::string> CollectedText::Await(
    const std::function<std::optional<std::string>(const std::string&)>& find, absl::Duration timeout) const {
  std::optional<std::string> found;
  size_t looked_at = std::string::npos;
  const auto done = [&] {
    mutex_.AssertHeld();
    if (text_.size() != looked_at) {
      looked_at = text_.size();
      found = find(text_);
    }
    return found.has_value() || closed_;
  };
  absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithTimeout(absl::Condition(&done), timeout);
  return found;
}

Process::Process(const ProcessOptions& options) : program_(options.arguments.front()) {
  std::vector<std::string> arguments = options.arguments;
  std::vector<std::string> environment = options.environment;
  environment.push_back("PATH=/usr/bin:/bin");
  if (kSanitized) {
    for (std::string& variable : SanitizerEnvironment()) environment.push_back(std::move(variable));
  }
  std::vector<char*> argv = Pointers(arguments);
  std::vector<char*> envp = Pointers(environment);
  const Pipe out = MakePipe();
  const Pipe err = MakePipe();

  pid_ = fork();
  if (pid_ == 0) BecomeProgram(argv.data(), envp.data(), out.write_end, err.write_end, options.max_open_files);
  close(out.write_end);
  close(err.write_end);
  if (pid_ < 0) {
    std::perror("fork");
    std::abort();
  }
  // Not pidfd_open(): its header in glibc 2.36 forgets that C++ exists.
  pid_fd_ = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  readers_.emplace_back(Collect, out.read_end, out_.get());
  readers_.emplace_back(Collect, err.read_end, err_.get());
}

Process::~Process() {
  if (kSanitized && running()) EndByItself();
  if (running()) {
    Signal(SIGKILL);
    AwaitExit(absl::InfiniteDuration());
  }
  const std::optional<std::string> fault = FaultOf(*exit_code_, err_->text());
  EXPECT_FALSE(fault.has_value()) << program_ << ": " << *fault << "; its stderr:\n" << err_->text();
  for (std::thread& reader : readers_) {
    if (reader.joinable()) reader.join();
  }
  close(pid_fd_);
}

// Leaks are looked for at the end of main. The second signal is for a server that waits for calls the test has left.
void Process::EndByItself() {
  Signal(SIGTERM);
  Signal(SIGCONT);  // a test may have stopped it
  if (AwaitExit(absl::Seconds(5))) return;
  Signal(SIGTERM);
  AwaitExit(absl::Minutes(1));
}

void Process::Signal(int signal) const {
  if (exit_code_) return;
  kill(pid_, signal);
  // All threads have stopped only when the kernel says so: until then they may answer what a test sends next.
  siginfo_t info;
  if (signal == SIGSTOP) waitid(P_PID, static_cast<id_t>(pid_), &info, WSTOPPED | WEXITED | WNOWAIT);
}

std::optional<int> Process::AwaitExit(absl::Duration timeout) {
  if (exit_code_) return exit_code_;
  const absl::Time deadline = absl::Now() + timeout;
  for (;;) {
    const absl::Duration left = std::min(deadline - absl::Now(), absl::Hours(1));
    pollfd poll_fd{pid_fd_, POLLIN, 0};
    const int ready = poll(&poll_fd, 1, static_cast<int>(std::max<int64_t>(absl::ToInt64Milliseconds(left), 0)));
    if (ready > 0) break;
    if (absl::Now() >= deadline) return std::nullopt;
  }
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  exit_code_ = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
  // All it has written is there to be read once it has ended.
  err_->Hold(false);
  for (std::thread& reader : readers_) reader.join();
  return exit_code_;
}

Finished Run(const ProcessOptions& options, absl::Duration timeout) {
  const absl::Time start = absl::Now();
  Process process(options);
  const std::optional<int> exit_code = process.AwaitExit(timeout);
  EXPECT_TRUE(exit_code.has_value()) << options.arguments[0] << " did not end within " << timeout << "; its stderr:\n"
                                     << process.err().text();
  return {exit_code.value_or(-SIGKILL), process.out().text(), process.err().text(), absl::Now() - start};
}

}  // namespace favor::testing
