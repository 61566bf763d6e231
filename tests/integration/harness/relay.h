#ifndef FAVOR_TESTS_INTEGRATION_HARNESS_RELAY_H_
#define FAVOR_TESTS_INTEGRATION_HARNESS_RELAY_H_

#include <cstdint>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace favor::testing {

// A port of its own whose bytes go to another address and back, until its connections are cut: a network that fails.
// Thread-safe.
class Relay {
 public:
  // `target` is host:port with a numeric IPv4 host. Of what comes back, it holds back all beyond `hold_after` bytes:
  // what the target answers more has not arrived until Release(), however quick it was.
  explicit Relay(std::string target, int64_t hold_after = std::numeric_limits<int64_t>::max());
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;
  ~Relay();

  const std::string& address() const { return address_; }
  // Resets all connections, as a machine that lost its power does when it is asked again. New ones are taken.
  void Cut();

  // Whether something is held back.
  bool holds() const;
  // Holds nothing back any more.
  void Release();

 private:
  // The two sockets of a connection; -1 when closed.
  struct Pair {
    int client = -1;
    int server = -1;
  };

  void Accept();
  void Copy(Pair pair);
  // How many of so many bytes that came back may go on; keeps the thread that brings them until one may.
  int64_t AwaitTurn(int64_t num_bytes);

  const std::string target_;
  std::string address_;
  int listener_ = -1;
  mutable absl::Mutex mutex_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t num_left_ ABSL_GUARDED_BY(mutex_);  // bytes that may still come back
  int num_held_ ABSL_GUARDED_BY(mutex_) = 0;  // threads that wait with some
  std::vector<Pair> pairs_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> copiers_ ABSL_GUARDED_BY(mutex_);
  std::thread acceptor_;
};

}  // namespace favor::testing

#endif  // FAVOR_TESTS_INTEGRATION_HARNESS_RELAY_H_
