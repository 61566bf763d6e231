#include "favor/base/aligned_buffer.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>

namespace favor {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;  // of x86-64, and of AArch64 with pages of 4 KiB

}  // namespace

void* AllocateAligned(size_t alignment, size_t bytes) {
  const bool huge = bytes >= kHugePage;
  void* data = nullptr;
  if (posix_memalign(&data, huge ? std::max(alignment, kHugePage) : alignment, bytes) != 0) return nullptr;
  // Only advice: whole pages, so that no memory is taken that was not asked for; a kernel without them may refuse.
  if (huge) madvise(data, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
  return data;
}

}  // namespace favor
