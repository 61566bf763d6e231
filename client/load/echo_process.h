#ifndef FAVOR_CLIENT_LOAD_ECHO_PROCESS_H_
#define FAVOR_CLIENT_LOAD_ECHO_PROCESS_H_

#include <sys/types.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace favor::load {

// An EchoServer in a process of its own, as favord is in one. It ends with the object, or with this process.
class EchoProcess {
 public:
  enum class Transport { kTcp, kUnixSocket };

  // Runs `program` (the command favor) as "favor echo-server" and waits until it listens: on a free port of 127.0.0.1,
  // or on a socket without a file, of which nothing is left however this process ends.
  static absl::StatusOr<std::unique_ptr<EchoProcess>> Start(const std::string& program, Transport transport);
  ~EchoProcess();
  EchoProcess(const EchoProcess&) = delete;
  EchoProcess& operator=(const EchoProcess&) = delete;

  const std::string& address() const { return address_; }

 private:
  EchoProcess() = default;
  absl::Status Run(const std::string& program, const std::string& address);

  pid_t pid_ = -1;
  int its_input_ = -1;  // the server ends when this is closed
  std::string address_;
};

}  // namespace favor::load

#endif  // FAVOR_CLIENT_LOAD_ECHO_PROCESS_H_
