#include "tests/integration/harness/sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "absl/strings/str_cat.h"

namespace favor::testing {

sockaddr_in ParseAddress(const std::string& address) {
  const size_t colon = address.rfind(':');
  sockaddr_in parsed{};
  parsed.sin_family = AF_INET;
  parsed.sin_port = htons(static_cast<uint16_t>(std::atoi(address.c_str() + colon + 1)));
  inet_pton(AF_INET, address.substr(0, colon).c_str(), &parsed.sin_addr);
  return parsed;
}

Socket::Socket(const std::string& address) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const timeval minute{60, 0};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &minute, sizeof(minute));
  setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &minute, sizeof(minute));
  const sockaddr_in to = ParseAddress(address);
  connected_ = connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0;
}

Socket::~Socket() { close(fd_); }

bool Socket::Send(absl::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(sent);
  }
  return true;
}

std::string Socket::ReceiveAll() const {
  std::string text;
  char buffer[4096];
  for (ssize_t count; (count = recv(fd_, buffer, sizeof(buffer), 0)) > 0;) text.append(buffer, count);
  return text;
}

bool Socket::Await(absl::string_view bytes) const {
  std::string text;
  char buffer[4096];
  while (text.find(bytes.data(), 0, bytes.size()) == text.npos) {
    const ssize_t count = recv(fd_, buffer, sizeof(buffer), 0);
    if (count <= 0) return false;
    text.append(buffer, count);
  }
  return true;
}

BusyPort::BusyPort() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in any = ParseAddress("127.0.0.1:0");
  socklen_t size = sizeof(any);
  if (bind(fd_, reinterpret_cast<const sockaddr*>(&any), size) != 0 || listen(fd_, 1) != 0 ||
      getsockname(fd_, reinterpret_cast<sockaddr*>(&any), &size) != 0) {
    std::perror("a port to listen on");
    std::abort();
  }
  address_ = absl::StrCat("127.0.0.1:", ntohs(any.sin_port));
}

BusyPort::~BusyPort() { close(fd_); }

absl::StatusOr<HttpAnswer> HttpGet(const std::string& address, const std::string& path) {
  const Socket socket(address);
  if (!socket.connected()) return absl::UnavailableError(absl::StrCat("cannot connect to ", address));
  socket.Send(absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: ", address, "\r\nConnection: close\r\n\r\n"));
  const std::string text = socket.ReceiveAll();
  const size_t body = text.find("\r\n\r\n");
  if (text.size() < 12 || body == std::string::npos) return absl::DataLossError(absl::StrCat("no HTTP: ", text));
  return HttpAnswer{std::atoi(text.c_str() + 9), text.substr(0, body), text.substr(body + 4)};
}

}  // namespace favor::testing
