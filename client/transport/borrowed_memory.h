#ifndef FAVOR_CLIENT_TRANSPORT_BORROWED_MEMORY_H_
#define FAVOR_CLIENT_TRANSPORT_BORROWED_MEMORY_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include <grpcpp/support/slice.h>
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace favor::client {

// Lends the caller's memory to gRPC without a copy, and knows when gRPC has let go of it: that may be after the call
// has ended, when a cancelled request is still being written to a socket. Thread-safe.
class BorrowedMemory {
 public:
  BorrowedMemory();
  BorrowedMemory(const BorrowedMemory&) = delete;
  BorrowedMemory& operator=(const BorrowedMemory&) = delete;

  // A slice over `bytes`, which must stay as they are until the slice and its copies are gone.
  grpc::Slice Lend(absl::Span<const std::byte> bytes);

  // Waits until every slice is gone; false if that takes longer than `timeout`.
  bool AwaitReturn(absl::Duration timeout = absl::InfiniteDuration()) const;

 private:
  struct Ledger;
  std::shared_ptr<Ledger> ledger_;  // shared with the slices
};

}  // namespace favor::client

#endif  // FAVOR_CLIENT_TRANSPORT_BORROWED_MEMORY_H_
