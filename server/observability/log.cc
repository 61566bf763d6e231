#include "server/observability/log.h"

#include <unistd.h>

#include <cerrno>
#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace favor {
namespace {

const char* NameOf(LogLevel level) {
  switch (level) {
    case LogLevel::kError:
      return "error";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kDebug:
      return "debug";
  }
  return "";
}

// Peers send bytes that are not UTF-8; a log line must not fail on them.
std::string TextOf(const Log::Fields& fields) {
  return fields.dump(-1, ' ', false, Log::Fields::error_handler_t::replace);
}

}  // namespace

void Log::Write(LogLevel level, const char* event, const Fields& fields) const {
  if (!Enabled(level)) return;
  const Fields line = {
      {"time", absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::Now(), absl::UTCTimeZone())},
      {"level", NameOf(level)},
      {"event", event},
  };
  // One object of both, without a copy of the fields: a busy server writes a line for every call.
  std::string text = TextOf(line);
  if (!fields.empty()) {
    text.back() = ',';
    text += TextOf(fields).substr(1);
  }
  text += '\n';
  size_t written = 0;
  while (written < text.size()) {
    const ssize_t count = write(file_descriptor_, text.data() + written, text.size() - written);
    if (count < 0 && errno != EINTR) return;  // nobody reads the log; the service goes on
    if (count > 0) written += count;
  }
}

}  // namespace favor
