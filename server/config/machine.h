#ifndef FAVOR_SERVER_CONFIG_MACHINE_H_
#define FAVOR_SERVER_CONFIG_MACHINE_H_

#include <cstdint>
#include <string>

namespace favor {

// CPUs this process may use: the smaller of its affinity mask and its control group's quota (rounded up), at least 1.
int64_t UsableCpus();

// Memory this process may use, in bytes: the smaller of the machine's and its control group's limit.
int64_t UsableMemoryBytes();

namespace internal {

// CPUs that the text of cgroup v2's cpu.max ("200000 100000", "max 100000") allows; 0 for no limit.
int64_t CpusOfQuota(const std::string& cpu_max);

// Bytes that the text of a memory limit ("1073741824", "max") allows; 0 for no limit.
int64_t BytesOfLimit(const std::string& limit);

}  // namespace internal
}  // namespace favor

#endif  // FAVOR_SERVER_CONFIG_MACHINE_H_
