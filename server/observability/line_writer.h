#ifndef FAVOR_SERVER_OBSERVABILITY_LINE_WRITER_H_
#define FAVOR_SERVER_OBSERVABILITY_LINE_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/time/time.h"

namespace favor {

// Writes lines to a file descriptor, in order and each with one write(2), on a thread of its own: whoever adds a line
// never waits for a reader or a disk. Lines that find no room, or that cannot be written, are dropped and counted; a
// line in their place tells how many. Thread-safe.
class LineWriter {
 public:
  struct Options {
    size_t max_bytes = 4 << 20;                        // of lines that wait
    absl::Duration last_lines = absl::Seconds(1);      // that the end waits for lines to be written
    std::function<std::string(int64_t)> tell_dropped;  // the line that tells of so many
  };

  // Does not own the descriptor.
  LineWriter(int file_descriptor, Options options);
  // A write that does not end in time is left to its thread, which writes nothing after it.
  ~LineWriter();

  // `line` ends in a newline.
  void Add(std::string line);

  // Waits until all lines are written or dropped; whether they were in time.
  bool Flush(absl::Duration timeout) const;
  // The same without a wait and without a lock, for handlers of signals.
  bool is_idle() const;

  int64_t num_dropped() const;

 private:
  struct State;

  const std::shared_ptr<State> state_;  // shared with the thread, which may be stuck
  std::thread thread_;
};

}  // namespace favor

#endif  // FAVOR_SERVER_OBSERVABILITY_LINE_WRITER_H_
