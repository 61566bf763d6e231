#ifndef FAVOR_TESTS_INTEGRATION_HARNESS_FAVORD_H_
#define FAVOR_TESTS_INTEGRATION_HARNESS_FAVORD_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpcpp/channel.h"
#include "tests/integration/harness/exposition.h"
#include "tests/integration/harness/process.h"

namespace favor::testing {

struct FavordOptions {
  // Beside --address, and in place of a free port for metrics and no drain delay.
  std::vector<std::string> flags = {};
  std::vector<std::string> environment = {};
  // Addresses to listen on, in place of a free port of 127.0.0.1.
  std::vector<std::string> addresses = {"127.0.0.1:0"};
  uint64_t max_open_files = 0;
};

// A favord of the test's own, on ports that the system picked: the program itself, in a process of its own. Killed when
// the object goes.
class Favord {
 public:
  // Starts it and waits until it says where it listens; fails the test when it does not.
  explicit Favord(const FavordOptions& options = {});

  // As it was told, ports filled in.
  const std::vector<std::string>& addresses() const { return addresses_; }
  const std::string& address() const { return addresses_.front(); }
  const std::string& metrics_address() const { return metrics_address_; }
  // A connection to the first address, the same every time.
  std::shared_ptr<grpc::Channel> channel();

  Process& process() { return *process_; }

  // Waits until its health says SERVING, which is a moment after it listens; false when it never does.
  bool AwaitServing();

  // What /metrics says now.
  Exposition Metrics() const;
  double CallsInFlight() const { return Metrics().Sum("favor_calls_in_flight"); }

  // Resident bytes now, and the most there ever were.
  int64_t ResidentBytes() const;
  int64_t PeakResidentBytes() const;

  // SIGTERM, and the exit code; fails the test when there is none in time.
  int Stop(absl::Duration timeout = absl::Seconds(30));

 private:
  std::unique_ptr<Process> process_;
  std::vector<std::string> addresses_;
  std::string metrics_address_;
  absl::Mutex channel_mutex_;
  std::shared_ptr<grpc::Channel> channel_ ABSL_GUARDED_BY(channel_mutex_);
};

// Where the program is.
std::string FavordPath();

// Runs favord, as to be given, until it ends by itself: --help, --check, settings it refuses.
Finished RunFavord(const std::vector<std::string>& flags, const std::vector<std::string>& environment = {});

// Runs the command `favor`.
Finished RunFavor(const std::vector<std::string>& arguments, const std::vector<std::string>& environment = {});

}  // namespace favor::testing

#endif  // FAVOR_TESTS_INTEGRATION_HARNESS_FAVORD_H_
