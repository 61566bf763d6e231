#ifndef FAVOR_CLIENT_LOAD_ECHO_SERVER_H_
#define FAVOR_CLIENT_LOAD_ECHO_SERVER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace favor::load {

// The method, its own protocol: a request starts with the size of the response it wants, 8 bytes little-endian; the
// rest is any bytes. The response is the start of the request, with zeros behind it when it is the shorter one.
inline constexpr char kEchoMethod[] = "/favor.load.Echo/Echo";

// What an RPC costs that computes nothing: a gRPC server that answers the bytes it got, without copying them, on a
// completion queue with one thread, which is how favord serves. Stands beside favord to show what part of a call's time
// is the transport's.
class EchoServer {
 public:
  // `address` is host:port, port 0 picks one, unix:/path or unix-abstract:name. UnavailableError when it cannot listen
  // there.
  static absl::StatusOr<std::unique_ptr<EchoServer>> Start(const std::string& address);
  // Cancels the calls under way.
  virtual ~EchoServer() = default;

  // As it was given, with the port that was picked.
  virtual const std::string& address() const = 0;
};

}  // namespace favor::load

#endif  // FAVOR_CLIENT_LOAD_ECHO_SERVER_H_
