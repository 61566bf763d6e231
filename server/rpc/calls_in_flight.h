#ifndef FAVOR_SERVER_RPC_CALLS_IN_FLIGHT_H_
#define FAVOR_SERVER_RPC_CALLS_IN_FLIGHT_H_

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace favor {

// What may be ended before its time. Thread-safe; neither function may leave CallsInFlight before it returns.
class Endable {
 public:
  virtual void EndEarly() = 0;
  // Ends what has waited for its client alone for that long.
  virtual void EndIfIdle(absl::Time now, absl::Duration timeout) = 0;

 protected:
  ~Endable() = default;
};

// The RPCs that have arrived and whose answer is not sent yet. Thread-safe.
class CallsInFlight {
 public:
  // The call must leave before it ends to exist.
  void Enter(Endable* call) {
    absl::MutexLock lock(&mutex_);
    calls_.insert(call);
  }
  void Leave(Endable* call) {
    absl::MutexLock lock(&mutex_);
    calls_.erase(call);
  }

  // Tells all calls to end; they leave when they have. How many those were.
  int64_t EndAllEarly() const {
    absl::MutexLock lock(&mutex_);
    for (Endable* call : calls_) call->EndEarly();
    return static_cast<int64_t>(calls_.size());
  }

  void EndIdle(absl::Time now, absl::Duration timeout) const {
    absl::MutexLock lock(&mutex_);
    for (Endable* call : calls_) call->EndIfIdle(now, timeout);
  }

  int64_t count() const {
    absl::MutexLock lock(&mutex_);
    return static_cast<int64_t>(calls_.size());
  }

  // Whether there was a moment without calls before the deadline.
  bool WaitUntilNone(absl::Time deadline) const {
    absl::MutexLock lock(&mutex_);
    return mutex_.AwaitWithDeadline(
        absl::Condition(
            +[](const absl::flat_hash_set<Endable*>* calls) { return calls->empty(); }, &calls_),
        deadline);
  }

 private:
  mutable absl::Mutex mutex_;
  absl::flat_hash_set<Endable*> calls_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace favor

#endif  // FAVOR_SERVER_RPC_CALLS_IN_FLIGHT_H_
