#ifndef FAVOR_TESTS_INTEGRATION_HARNESS_PROCESS_H_
#define FAVOR_TESTS_INTEGRATION_HARNESS_PROCESS_H_

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace favor::testing {

// Text that a thread collects from a pipe while others wait for something to turn up in it. Thread-safe.
class CollectedText {
 public:
  void Append(const char* data, size_t size);
  void Close();
  // While it is held Append() waits, and nobody reads the pipe.
  void Hold(bool held);

  std::string text() const;
  // The first value that `find` makes of the text so far; nullopt when the pipe closes or the time is up first.
  std::optional<std::string> Await(const std::function<std::optional<std::string>(const std::string&)>& find,
                                   absl::Duration timeout) const;

 private:
  mutable absl::Mutex mutex_;
  std::string text_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool held_ ABSL_GUARDED_BY(mutex_) = false;
};

struct ProcessOptions {
  std::vector<std::string> arguments = {};    // the program's path first
  std::vector<std::string> environment = {};  // "NAME=value", all there is beside PATH
  // Soft and hard limit of open files; 0: as here.
  uint64_t max_open_files = 0;
};

// A child process with its output collected. It is killed when the object goes (under a sanitizer it is told to end,
// and killed when it does not: only who ends by itself looks for leaks), and by the kernel should the thread that made
// it end first: start it on the test's main thread. A crash or a sanitizer's report that nobody waited for fails the
// test then.
class Process {
 public:
  explicit Process(const ProcessOptions& options);
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  pid_t pid() const { return pid_; }
  const CollectedText& out() const { return *out_; }
  const CollectedText& err() const { return *err_; }

  // From now on nobody reads what it writes to standard error.
  void StopReadingErr() { err_->Hold(true); }

  void Signal(int signal) const;
  // Waits until it has ended: its exit code, or minus the signal that ended it. nullopt when the time is up first.
  std::optional<int> AwaitExit(absl::Duration timeout);
  bool running() { return !AwaitExit(absl::ZeroDuration()).has_value(); }

 private:
  void EndByItself();

  const std::string program_;
  pid_t pid_ = -1;
  int pid_fd_ = -1;
  std::optional<int> exit_code_;
  std::unique_ptr<CollectedText> out_ = std::make_unique<CollectedText>();
  std::unique_ptr<CollectedText> err_ = std::make_unique<CollectedText>();
  std::vector<std::thread> readers_;
};

// What a program that runs to its end did.
struct Finished {
  int exit_code = 0;  // minus the signal that ended it
  std::string out;
  std::string err;
  absl::Duration took;
};

// Runs a program to its end. Fails the test, and kills it, when that takes longer than `timeout`.
Finished Run(const ProcessOptions& options, absl::Duration timeout = absl::Seconds(60));

}  // namespace favor::testing

#endif  // FAVOR_TESTS_INTEGRATION_HARNESS_PROCESS_H_
