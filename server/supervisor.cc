#include "server/supervisor.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace favor {

absl::Status NotifySupervisorAt(const std::string& socket_path, absl::string_view state) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.empty() || socket_path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(
        absl::StrCat("NOTIFY_SOCKET has ", socket_path.size(), " bytes, must be 1 to ", sizeof(address.sun_path) - 1));
  }
  std::memcpy(address.sun_path, socket_path.data(), socket_path.size());
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return absl::ErrnoToStatus(errno, "NOTIFY_SOCKET: socket");
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_path.size());
  const ssize_t sent = sendto(fd, state.data(), state.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                              reinterpret_cast<const sockaddr*>(&address), size);
  const int error = errno;
  close(fd);
  return sent >= 0 ? absl::OkStatus() : absl::ErrnoToStatus(error, absl::StrCat("NOTIFY_SOCKET ", socket_path));
}

absl::Status NotifySupervisor(absl::string_view state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  return path == nullptr || *path == '\0' ? absl::OkStatus() : NotifySupervisorAt(path, state);
}

absl::Duration WatchdogTimeout() {
  const char* time = std::getenv("WATCHDOG_USEC");
  const char* pid = std::getenv("WATCHDOG_PID");
  int64_t microseconds = 0, number = getpid();
  if (time == nullptr || !absl::SimpleAtoi(time, &microseconds) || microseconds <= 0) return absl::ZeroDuration();
  if (pid != nullptr && (!absl::SimpleAtoi(pid, &number) || number != getpid())) return absl::ZeroDuration();
  return absl::Microseconds(microseconds);
}

}  // namespace favor
