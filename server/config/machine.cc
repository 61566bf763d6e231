#include "server/config/machine.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace favor {
namespace {

std::string FirstLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// Folders of this process's control group (v2) and of those around it, innermost first; inside a container the group is
// most often the root. A limit anywhere on the way holds.
std::vector<std::string> ControlGroups() {
  std::string group;
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("0::", 0) == 0) group = line.substr(3);
  }
  std::vector<std::string> folders;
  while (group.size() > 1) {
    folders.push_back("/sys/fs/cgroup" + group);
    group.resize(group.rfind('/'));
  }
  folders.push_back("/sys/fs/cgroup");
  return folders;
}

// The smaller of the two, 0 meaning no limit.
int64_t Tighter(int64_t a, int64_t b) { return a == 0 ? b : b == 0 ? a : std::min(a, b); }

}  // namespace

namespace internal {

int64_t CpusOfQuota(const std::string& cpu_max) {
  const std::vector<std::string> words = absl::StrSplit(cpu_max, ' ');
  double quota = 0;
  double period = 0;
  if (words.size() != 2 || !absl::SimpleAtod(words[0], &quota) || !absl::SimpleAtod(words[1], &period)) return 0;
  if (!(quota > 0) || !(period > 0)) return 0;
  return static_cast<int64_t>(std::ceil(quota / period));
}

int64_t BytesOfLimit(const std::string& limit) {
  int64_t bytes = 0;
  return absl::SimpleAtoi(limit, &bytes) ? bytes : 0;
}

}  // namespace internal

int64_t UsableCpus() {
  int64_t cpus = std::max<int64_t>(std::thread::hardware_concurrency(), 1);
  cpu_set_t mask;
  if (sched_getaffinity(0, sizeof(mask), &mask) == 0) cpus = CPU_COUNT(&mask);
  for (const std::string& group : ControlGroups()) {
    cpus = Tighter(cpus, internal::CpusOfQuota(FirstLine(group + "/cpu.max")));
  }
  int64_t quota = 0;  // version 1 of control groups
  int64_t period = 0;
  if (absl::SimpleAtoi(FirstLine("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), &quota) &&
      absl::SimpleAtoi(FirstLine("/sys/fs/cgroup/cpu/cpu.cfs_period_us"), &period)) {
    cpus = Tighter(cpus, internal::CpusOfQuota(absl::StrCat(quota, " ", period)));
  }
  return std::max<int64_t>(cpus, 1);
}

int64_t UsableMemoryBytes() {
  int64_t bytes = static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
  for (const std::string& group : ControlGroups()) {
    bytes = Tighter(bytes, internal::BytesOfLimit(FirstLine(group + "/memory.max")));
  }
  return Tighter(bytes, internal::BytesOfLimit(FirstLine("/sys/fs/cgroup/memory/memory.limit_in_bytes")));
}

}  // namespace favor
