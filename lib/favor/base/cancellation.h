#ifndef FAVOR_BASE_CANCELLATION_H_
#define FAVOR_BASE_CANCELLATION_H_

#include <atomic>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace favor {

// Tells running work that its result is no longer wanted. Compute checks it between tiles (some 50 us apart).
// Thread-safe.
class Cancellation {
 public:
  explicit Cancellation(absl::Time deadline = absl::InfiniteFuture()) : deadline_(deadline) {}
  Cancellation(const Cancellation&) = delete;
  Cancellation& operator=(const Cancellation&) = delete;

  void Cancel() { cancelled_.store(true, std::memory_order_relaxed); }

  absl::Time deadline() const { return deadline_; }

  // OK, or CancelledError after Cancel(), or DeadlineExceededError once the deadline has passed.
  absl::Status Check() const {
    if (cancelled_.load(std::memory_order_relaxed)) return absl::CancelledError("the caller cancelled");
    if (deadline_ != absl::InfiniteFuture() && absl::Now() >= deadline_) {
      return absl::DeadlineExceededError("the deadline passed before the result was ready");
    }
    return absl::OkStatus();
  }

 private:
  std::atomic<bool> cancelled_{false};
  const absl::Time deadline_;
};

}  // namespace favor

#endif  // FAVOR_BASE_CANCELLATION_H_
