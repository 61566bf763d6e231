#ifndef FAVOR_TESTS_INTEGRATION_HARNESS_RELAY_H_
#define FAVOR_TESTS_INTEGRATION_HARNESS_RELAY_H_

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
  // `target` is host:port with a numeric IPv4 host.
  explicit Relay(std::string target);
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;
  ~Relay();

  const std::string& address() const { return address_; }
  // Resets all connections, as a machine that lost its power does when it is asked again. New ones are taken.
  void Cut();

 private:
  // The two sockets of a connection; -1 when closed.
  struct Pair {
    int client = -1;
    int server = -1;
  };

  void Accept();
  void Copy(Pair pair);

  const std::string target_;
  std::string address_;
  int listener_ = -1;
  absl::Mutex mutex_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Pair> pairs_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> copiers_ ABSL_GUARDED_BY(mutex_);
  std::thread acceptor_;
};

}  // namespace favor::testing

#endif  // FAVOR_TESTS_INTEGRATION_HARNESS_RELAY_H_
