#ifndef FAVOR_CLIENT_CLI_PROGRESS_H_
#define FAVOR_CLIENT_CLI_PROGRESS_H_

#include <cstdint>
#include <functional>
#include <ostream>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "client/cli/console.h"

namespace favor::cli {

// Shows that work goes on: a bar with the step, the elapsed time and the deadline, on a terminal only, and only for
// work that takes longer than `patience`. It is wiped when the work is done. Nothing else may write to the terminal
// meanwhile.
class Progress {
 public:
  Progress(const Console& console, std::string step, absl::Duration deadline, absl::Duration patience = kPatience);
  // Shows `line` of the elapsed time, which is called from a thread of its own.
  Progress(const Console& console, std::function<std::string(absl::Duration)> line,
           absl::Duration patience = kPatience);
  // Wipes the bar.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

 private:
  static constexpr absl::Duration kPatience = absl::Milliseconds(400);

  void Draw();

  std::ostream& stream_;
  const std::function<std::string(absl::Duration)> line_;
  const absl::Duration patience_;
  absl::Mutex mutex_;
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

// One line of the bar at a time: a block that wanders to and fro, since a server does not tell how far it is.
std::string ProgressLine(const std::string& step, absl::Duration elapsed, absl::Duration deadline);

// The same for work that takes as long as it was told to: the bar fills.
std::string FractionLine(const std::string& step, absl::Duration elapsed, absl::Duration total);

// The same for work of which so much is known to be done: "[==  ] embedding, 12 of 50 inputs, 1.5 s".
std::string CountLine(const std::string& step, absl::Duration elapsed, int64_t done, int64_t total,
                      const std::string& things);

}  // namespace favor::cli

#endif  // FAVOR_CLIENT_CLI_PROGRESS_H_
