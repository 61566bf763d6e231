#ifndef FAVOR_TESTS_INTEGRATION_HARNESS_SOCKETS_H_
#define FAVOR_TESTS_INTEGRATION_HARNESS_SOCKETS_H_

#include <netinet/in.h>

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace favor::testing {

// Of host:port with a numeric IPv4 host.
sockaddr_in ParseAddress(const std::string& address);

// A TCP connection without any protocol. Sending and receiving give up after a minute.
class Socket {
 public:
  // `address` is host:port with a numeric IPv4 host.
  explicit Socket(const std::string& address);
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket();

  bool connected() const { return connected_; }
  // False when the other side no longer takes bytes.
  bool Send(absl::string_view bytes) const;
  // All that comes until the other side closes.
  std::string ReceiveAll() const;
  // Waits until these bytes have come, or the other side closes: whether they have. Forgets what came before them.
  bool Await(absl::string_view bytes) const;

 private:
  int fd_ = -1;
  bool connected_ = false;
};

// A port that something listens on and nothing answers at, until the object goes.
class BusyPort {
 public:
  BusyPort();
  BusyPort(const BusyPort&) = delete;
  BusyPort& operator=(const BusyPort&) = delete;
  ~BusyPort();

  const std::string& address() const { return address_; }

 private:
  int fd_ = -1;
  std::string address_;
};

// An answer of an HTTP server.
struct HttpAnswer {
  int code = 0;
  std::string headers;
  std::string body;
};

// GET over a connection of its own.
absl::StatusOr<HttpAnswer> HttpGet(const std::string& address, const std::string& path);

}  // namespace favor::testing

#endif  // FAVOR_TESTS_INTEGRATION_HARNESS_SOCKETS_H_
