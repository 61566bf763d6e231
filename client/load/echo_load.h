#ifndef FAVOR_CLIENT_LOAD_ECHO_LOAD_H_
#define FAVOR_CLIENT_LOAD_ECHO_LOAD_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/load/load_result.h"

namespace favor::load {

// Calls of an EchoServer with as many bytes there and back as an Attend call has: the plainest RPC that gRPC can make,
// no bytes copied by us on either side.
class EchoLoad {
 public:
  struct Options {
    std::string endpoint = "";
    int num_connections = 1;
    int64_t request_bytes = 0;  // 8 at least are sent
    int64_t response_bytes = 0;
    absl::Duration deadline = absl::InfiniteDuration();
  };

  // Errors as client::Client::Connect.
  static absl::StatusOr<std::unique_ptr<EchoLoad>> Create(const Options& options);
  ~EchoLoad();
  EchoLoad(const EchoLoad&) = delete;
  EchoLoad& operator=(const EchoLoad&) = delete;

  // One call as RunLoad wants it. InternalError when the answer has another size. Thread-safe.
  CallOutcome Call(int caller) const;

 private:
  struct Connections;
  EchoLoad(const Options& options, std::unique_ptr<Connections> connections);

  const Options options_;
  const std::unique_ptr<Connections> connections_;
  std::vector<std::byte> request_;
};

}  // namespace favor::load

#endif  // FAVOR_CLIENT_LOAD_ECHO_LOAD_H_
