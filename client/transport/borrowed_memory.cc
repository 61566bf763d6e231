#include "client/transport/borrowed_memory.h"

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace favor::client {

struct BorrowedMemory::Ledger {
  absl::Mutex mutex;
  int64_t num_lent ABSL_GUARDED_BY(mutex) = 0;
};

BorrowedMemory::BorrowedMemory() : ledger_(std::make_shared<Ledger>()) {}

grpc::Slice BorrowedMemory::Lend(absl::Span<const std::byte> bytes) {
  {
    absl::MutexLock lock(&ledger_->mutex);
    ++ledger_->num_lent;
  }
  const auto take_back = [](void* held) {
    const std::unique_ptr<std::shared_ptr<Ledger>> ledger(static_cast<std::shared_ptr<Ledger>*>(held));
    absl::MutexLock lock(&(*ledger)->mutex);
    --(*ledger)->num_lent;
  };
  // gRPC never writes to a slice that it sends.
  return grpc::Slice(const_cast<std::byte*>(bytes.data()), bytes.size(), take_back,
                     new std::shared_ptr<Ledger>(ledger_));
}

bool BorrowedMemory::AwaitReturn(absl::Duration timeout) const {
  const auto all_returned = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(ledger_->mutex) { return ledger_->num_lent == 0; };
  absl::MutexLock lock(&ledger_->mutex);
  return ledger_->mutex.AwaitWithTimeout(absl::Condition(&all_returned), timeout);
}

}  // namespace favor::client
