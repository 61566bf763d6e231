#include "client/load/echo_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <random>

#include "absl/strings/str_cat.h"

namespace favor::load {
namespace {

absl::Status ErrnoError(int error, absl::string_view what) { return absl::ErrnoToStatus(error, what); }

// A name that nobody else in this network namespace has.
std::string AbstractSocket() {
  std::random_device random;
  return absl::StrCat("unix-abstract:favor_echo_", getpid(), "_", random());
}

// The first line that the other side writes; empty when it closes the pipe without one.
std::string ReadLine(int fd) {
  std::string line;
  char letter;
  while (true) {
    const ssize_t count = read(fd, &letter, 1);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return "";
    if (letter == '\n') return line;
    line += letter;
  }
}

struct Pipe {
  int read_end = -1;
  int write_end = -1;

  bool Open() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return false;
    read_end = ends[0];
    write_end = ends[1];
    return true;
  }
};

}  // namespace

absl::StatusOr<std::unique_ptr<EchoProcess>> EchoProcess::Start(const std::string& program, Transport transport) {
  std::unique_ptr<EchoProcess> process(new EchoProcess);
  const std::string address = transport == Transport::kUnixSocket ? AbstractSocket() : "127.0.0.1:0";
  if (absl::Status status = process->Run(program, address); !status.ok()) return status;
  return process;
}

absl::Status EchoProcess::Run(const std::string& program, const std::string& address) {
  Pipe input, output;
  if (!input.Open() || !output.Open()) return ErrnoError(errno, "cannot make a pipe to the echo server");
  its_input_ = input.write_end;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input.read_end, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output.write_end, STDOUT_FILENO);
  std::string arguments[] = {"favor", "echo-server", "--address", address, "--until-input-ends"};
  char* pointers[] = {arguments[0].data(), arguments[1].data(), arguments[2].data(),
                      arguments[3].data(), arguments[4].data(), nullptr};
  const int error = posix_spawn(&pid_, program.c_str(), &actions, nullptr, pointers, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(input.read_end);
  close(output.write_end);
  if (error != 0) pid_ = -1;
  if (error == 0) address_ = ReadLine(output.read_end);
  close(output.read_end);
  if (error != 0) return ErrnoError(error, absl::StrCat("cannot run ", program, " as echo server"));
  if (address_.empty()) return absl::UnavailableError(absl::StrCat("the echo server does not listen on ", address));
  return absl::OkStatus();
}

EchoProcess::~EchoProcess() {
  if (its_input_ >= 0) close(its_input_);
  if (pid_ > 0) {
    kill(pid_, SIGKILL);  // it has nothing to lose, and must not keep us waiting
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
}

}  // namespace favor::load
