#ifndef FAVOR_SERVER_RPC_UNIX_SOCKET_H_
#define FAVOR_SERVER_RPC_UNIX_SOCKET_H_

#include <string>

#include "absl/status/status.h"

namespace favor {

// UnavailableError when somebody listens at an address "unix:/path". gRPC takes the file of such a socket away and
// makes one of its own, as it must where a server left its file behind when it was killed.
absl::Status CheckNobodyListens(const std::string& address);

}  // namespace favor

#endif  // FAVOR_SERVER_RPC_UNIX_SOCKET_H_
