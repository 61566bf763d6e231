#ifndef FAVOR_SERVER_RPC_CALLS_IN_FLIGHT_H_
#define FAVOR_SERVER_RPC_CALLS_IN_FLIGHT_H_

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace favor {

// Counts the RPCs that have arrived and whose answer is not sent yet. Thread-safe.
class CallsInFlight {
 public:
  void Enter() {
    absl::MutexLock lock(&mutex_);
    ++count_;
  }
  void Leave() {
    absl::MutexLock lock(&mutex_);
    --count_;
  }

  int64_t count() const {
    absl::MutexLock lock(&mutex_);
    return count_;
  }

  // Whether there was a moment without calls before the deadline.
  bool WaitUntilNone(absl::Time deadline) const {
    absl::MutexLock lock(&mutex_);
    return mutex_.AwaitWithDeadline(absl::Condition(
                                        +[](const int64_t* count) { return *count == 0; }, &count_),
                                    deadline);
  }

 private:
  mutable absl::Mutex mutex_;
  int64_t count_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace favor

#endif  // FAVOR_SERVER_RPC_CALLS_IN_FLIGHT_H_
