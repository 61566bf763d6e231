#include "server/observability/log.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
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

// Clients name models and methods as they like, at any length.
constexpr size_t kMaxText = 1024;

bool IsLong(const Log::Fields& value) {
  return value.is_string() && value.get_ref<const std::string&>().size() > kMaxText;
}

Log::Fields Shortened(Log::Fields fields) {
  for (Log::Fields& value : fields) {
    if (!IsLong(value)) continue;
    const std::string& text = value.get_ref<const std::string&>();
    size_t end = kMaxText;
    while (end > 0 && (text[end] & 0xC0) == 0x80) --end;  // not within a character
    value = absl::StrCat(text.substr(0, end), "... (", text.size(), " bytes)");
  }
  return fields;
}

std::string LineOf(LogLevel level, const char* event, const Log::Fields& fields) {
  const Log::Fields line = {
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
  return text;
}

}  // namespace

Log::Log(int file_descriptor, LogLevel level)
    : level_(level), writer_(file_descriptor, {.tell_dropped = [](int64_t number) {
                               return LineOf(LogLevel::kWarning, "lines_dropped", {{"number", number}});
                             }}) {}

void Log::Write(LogLevel level, const char* event, const Fields& fields) const {
  if (!Enabled(level)) return;
  const bool is_long = std::any_of(fields.begin(), fields.end(), IsLong);
  writer_.Add(is_long ? LineOf(level, event, Shortened(fields)) : LineOf(level, event, fields));
}

}  // namespace favor
