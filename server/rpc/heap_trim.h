#ifndef FAVOR_SERVER_RPC_HEAP_TRIM_H_
#define FAVOR_SERVER_RPC_HEAP_TRIM_H_

#include <cstdint>

namespace favor {

// To be told of bytes of messages that were freed. Every 64 MiB it gives malloc's free pages back to the system:
// freed slices are small holes in the heap, which malloc would keep, and the process would grow from call to call.
// A trim costs about a millisecond per 16 MiB. Thread-safe.
void NoteFreedBytes(int64_t bytes);

}  // namespace favor

#endif  // FAVOR_SERVER_RPC_HEAP_TRIM_H_
