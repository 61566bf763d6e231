#include "server/rpc/unix_socket.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "server/config/quantity.h"

namespace favor {

absl::Status CheckNobodyListens(const std::string& address) {
  const absl::string_view path = UnixPath(address);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (path.size() >= sizeof(name.sun_path)) return absl::OkStatus();  // gRPC will refuse it
  path.copy(name.sun_path, path.size());
  // Not blocking: one whose queue of connections is full answers EAGAIN.
  const int connection = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (connection < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot look at ", address));
  const bool answers =
      connect(connection, reinterpret_cast<const sockaddr*>(&name), sizeof(name)) == 0 || errno == EAGAIN;
  close(connection);
  if (!answers) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("cannot listen on ", address, ": another server answers there"));
}

}  // namespace favor
