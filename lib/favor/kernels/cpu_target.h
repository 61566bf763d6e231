#ifndef FAVOR_KERNELS_CPU_TARGET_H_
#define FAVOR_KERNELS_CPU_TARGET_H_

#include <string>
#include <vector>

namespace favor {

// The instruction set the kernels run on, as Highway names it: "AVX3", "AVX2", "SSE4", "NEON" ...
std::string CpuTargetName();

// All instruction sets that this build holds and this CPU can run, best first.
std::vector<std::string> SupportedCpuTargets();

// Makes the kernels run on one of SupportedCpuTargets(); an empty name restores the best. For tests only: not
// thread-safe. Returns false, changing nothing, when the target is not supported.
bool ForceCpuTargetForTest(const std::string& name);

}  // namespace favor

#endif  // FAVOR_KERNELS_CPU_TARGET_H_
