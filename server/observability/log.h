#ifndef FAVOR_SERVER_OBSERVABILITY_LOG_H_
#define FAVOR_SERVER_OBSERVABILITY_LOG_H_

#include <cstdint>
#include <string>

#include "nlohmann/json.hpp"

namespace favor {

enum class LogLevel : uint8_t { kError, kWarning, kInfo, kDebug };

// Writes one JSON object per line to a file descriptor: {"time":...,"level":...,"event":..., fields}. Thread-safe: a
// line is one write.
class Log {
 public:
  // Does not own the descriptor.
  Log(int file_descriptor, LogLevel level) : file_descriptor_(file_descriptor), level_(level) {}

  using Fields = nlohmann::ordered_json;

  bool Enabled(LogLevel level) const { return level <= level_; }
  void Write(LogLevel level, const char* event, const Fields& fields = Fields::object()) const;

 private:
  const int file_descriptor_;
  const LogLevel level_;
};

}  // namespace favor

#endif  // FAVOR_SERVER_OBSERVABILITY_LOG_H_
