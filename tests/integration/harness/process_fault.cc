#include "tests/integration/harness/process_fault.h"

#include <signal.h>

#include <cstdlib>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace favor::testing {

std::optional<std::string> FaultOf(int exit_code, const std::string& err) {
  constexpr int kFaults[] = {-SIGABRT, -SIGBUS, -SIGFPE, -SIGILL, -SIGSEGV, -SIGSYS};
  if (absl::c_linear_search(kFaults, exit_code)) return absl::StrCat("it ended by signal ", -exit_code);
  // Every sanitizer closes its report with such a line.
  for (const absl::string_view line : absl::StrSplit(err, '\n')) {
    if (absl::StartsWith(line, "SUMMARY: ") && absl::StrContains(line, "Sanitizer: ")) return std::string(line);
  }
  return std::nullopt;
}

std::vector<std::string> SanitizerEnvironment() {
  std::vector<std::string> environment;
  for (const char* name : {"ASAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"}) {
    if (const char* value = std::getenv(name)) environment.push_back(absl::StrCat(name, "=", value));
  }
  return environment;
}

}  // namespace favor::testing
