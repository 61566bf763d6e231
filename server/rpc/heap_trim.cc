#include "server/rpc/heap_trim.h"

#include <malloc.h>

#include <atomic>

namespace favor {

void NoteFreedBytes(int64_t bytes) {
  constexpr int64_t kTrimBytes = int64_t{64} << 20;
  static std::atomic<int64_t> freed{0};
  if (freed.fetch_add(bytes, std::memory_order_relaxed) + bytes < kTrimBytes) return;
  if (freed.exchange(0, std::memory_order_relaxed) >= kTrimBytes) malloc_trim(0);
}

}  // namespace favor
