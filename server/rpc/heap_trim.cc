#include "server/rpc/heap_trim.h"

#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>

namespace favor {
namespace {

// The second number of /proc/self/statm, in bytes; -1 where there is none.
int64_t ResidentBytes() {
  static const int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  char text[128];
  const ssize_t count = file < 0 ? -1 : pread(file, text, sizeof(text) - 1, 0);
  if (count <= 0) return -1;
  text[count] = '\0';
  long long pages = 0;
  if (std::sscanf(text, "%*d %lld", &pages) != 1) return -1;
  return pages * sysconf(_SC_PAGESIZE);
}

// Resident memory that malloc could give back; the program itself, some 30 MB, counts as well.
bool TooMuchIsIdle() {
  const int64_t resident = ResidentBytes();
  const struct mallinfo2 heap = mallinfo2();
  return resident < 0 || resident - static_cast<int64_t>(heap.uordblks + heap.hblkhd) > kMaxIdleHeapBytes;
}

}  // namespace

void NoteFreedBytes(int64_t bytes) {
  constexpr int64_t kLookEveryBytes = int64_t{64} << 20;
  static std::atomic<int64_t> freed{0};
  if (freed.fetch_add(bytes, std::memory_order_relaxed) + bytes < kLookEveryBytes) return;
  if (freed.exchange(0, std::memory_order_relaxed) >= kLookEveryBytes && TooMuchIsIdle()) malloc_trim(0);
}

}  // namespace favor
