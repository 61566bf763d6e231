#include "server/execution/heap_trim.h"

#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>

namespace favor {
namespace {

// What is resident and of no file, in bytes: of /proc/self/statm, the second number less the third; -1 where there are
// none. The program itself and its libraries are of files.
int64_t AnonymousResidentBytes() {
  static const int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  char text[128];
  const ssize_t count = file < 0 ? -1 : pread(file, text, sizeof(text) - 1, 0);
  if (count <= 0) return -1;
  text[count] = '\0';
  long long resident = 0, of_files = 0;
  if (std::sscanf(text, "%*d %lld %lld", &resident, &of_files) != 2) return -1;
  return (resident - of_files) * sysconf(_SC_PAGESIZE);
}

// Resident memory that malloc could give back.
bool TooMuchIsIdle() {
  const int64_t resident = AnonymousResidentBytes();
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
