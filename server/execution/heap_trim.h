#ifndef FAVOR_SERVER_EXECUTION_HEAP_TRIM_H_
#define FAVOR_SERVER_EXECUTION_HEAP_TRIM_H_

#include <cstdint>

namespace favor {

// To be told of bytes that were freed: of messages, of what calls computed on, of models. Every 64 MiB it looks how
// much memory is resident that malloc has handed to nobody, and gives malloc's free pages back to the system when that
// is more than kMaxIdleHeapBytes: freed slices are small holes in the heap, which malloc would keep, and the process
// would grow from call to call. Up to that much is left for the next calls, which would otherwise take it from the
// system again, page fault by page fault. A trim costs about a millisecond per 16 MiB. Thread-safe.
void NoteFreedBytes(int64_t bytes);

constexpr int64_t kMaxIdleHeapBytes = int64_t{64} << 20;

}  // namespace favor

#endif  // FAVOR_SERVER_EXECUTION_HEAP_TRIM_H_
