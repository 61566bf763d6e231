#ifndef FAVOR_TESTS_SUPPORT_LITTLE_MEMORY_H_
#define FAVOR_TESTS_SUPPORT_LITTLE_MEMORY_H_

#include <sys/resource.h>

#include <cstdint>
#include <fstream>

#include "tests/support/sanitizer.h"

namespace favor::testing {

// While it lives the process gets no more than a few megabytes of memory: to allocate what a file merely claims fails.
// Sanitizers reserve terabytes of addresses, under them it does nothing.
class LittleMemory {
 public:
  explicit LittleMemory(int64_t megabytes = 64) {
    getrlimit(RLIMIT_AS, &before_);
    rlimit limit = before_;
    limit.rlim_cur = UsedBytes() + (megabytes << 20);
    if (!kSanitized) setrlimit(RLIMIT_AS, &limit);
  }
  ~LittleMemory() { setrlimit(RLIMIT_AS, &before_); }
  LittleMemory(const LittleMemory&) = delete;
  LittleMemory& operator=(const LittleMemory&) = delete;

 private:
  static rlim_t UsedBytes() {
    int64_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    return static_cast<rlim_t>(pages) * 4096;
  }

  rlimit before_ = {};
};

}  // namespace favor::testing

#endif  // FAVOR_TESTS_SUPPORT_LITTLE_MEMORY_H_
