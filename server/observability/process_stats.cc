#include "server/observability/process_stats.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace favor {
namespace {

std::string ReadFile(const char* path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// Seconds since the epoch at which the machine started: the line "btime N" of /proc/stat.
double BootTime() {
  for (const absl::string_view line : absl::StrSplit(ReadFile("/proc/stat"), '\n')) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
    double seconds = 0;
    if (words.size() == 2 && words[0] == "btime" && absl::SimpleAtod(words[1], &seconds)) return seconds;
  }
  return 0;
}

double CountOpenFiles() {
  DIR* directory = opendir("/proc/self/fd");
  if (directory == nullptr) return 0;
  double count = -3;  // ".", ".." and the directory itself
  while (readdir(directory) != nullptr) ++count;
  closedir(directory);
  return count;
}

}  // namespace

ProcessStats ReadProcessStats() {
  ProcessStats stats;
  // Fields after the command's closing bracket, which may itself hold blanks; numbers as in proc(5), the state being 3.
  const std::string text = ReadFile("/proc/self/stat");
  const size_t bracket = text.rfind(')');
  if (bracket == std::string::npos) return stats;
  const std::vector<std::string> words = absl::StrSplit(text.substr(bracket + 1), ' ', absl::SkipEmpty());
  const auto field = [&words](size_t number) {
    double value = 0;
    if (number - 3 < words.size() && !absl::SimpleAtod(words[number - 3], &value)) return 0.0;
    return value;
  };
  const double ticks_per_second = static_cast<double>(sysconf(_SC_CLK_TCK));
  stats.cpu_seconds = (field(14) + field(15)) / ticks_per_second;
  static const double boot_time = BootTime();
  stats.start_time_seconds = boot_time + field(22) / ticks_per_second;
  stats.virtual_memory_bytes = field(23);
  stats.resident_memory_bytes = field(24) * static_cast<double>(sysconf(_SC_PAGESIZE));
  stats.open_fds = CountOpenFiles();
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) stats.max_fds = static_cast<double>(limit.rlim_cur);
  return stats;
}

}  // namespace favor
