#ifndef FAVOR_SERVER_OBSERVABILITY_LOG_H_
#define FAVOR_SERVER_OBSERVABILITY_LOG_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "server/observability/line_writer.h"

namespace favor {

enum class LogLevel : uint8_t { kError, kWarning, kInfo, kDebug };

// Writes one JSON object per line to a file descriptor: {"time":...,"level":...,"event":..., fields}. Thread-safe, and
// never waits for who reads: see LineWriter, whose lines of what was dropped are events "lines_dropped". Texts of
// more than 1 KiB are cut, and say so.
class Log {
 public:
  // Does not own the descriptor.
  Log(int file_descriptor, LogLevel level);

  using Fields = nlohmann::ordered_json;

  bool Enabled(LogLevel level) const { return level <= level_; }
  void Write(LogLevel level, const char* event, const Fields& fields = Fields::object()) const;

  // Of the lines that there are so far: see LineWriter.
  bool Flush(absl::Duration timeout) const { return writer_.Flush(timeout); }
  bool is_idle() const { return writer_.is_idle(); }
  int64_t num_dropped() const { return writer_.num_dropped(); }

 private:
  const LogLevel level_;
  mutable LineWriter writer_;
};

}  // namespace favor

#endif  // FAVOR_SERVER_OBSERVABILITY_LOG_H_
