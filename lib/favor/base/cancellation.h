#ifndef FAVOR_BASE_CANCELLATION_H_
#define FAVOR_BASE_CANCELLATION_H_

#include <atomic>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "favor/base/priority.h"

namespace favor {

// What running work has to know of its caller: whether its result is still wanted, and how urgent it is. Compute checks
// it between tiles (some 50 us apart). Thread-safe.
class Cancellation {
 public:
  explicit Cancellation(absl::Time deadline = absl::InfiniteFuture(), Priority priority = Priority::kNormal)
      : deadline_(deadline), priority_(priority) {}
  Cancellation(const Cancellation&) = delete;
  Cancellation& operator=(const Cancellation&) = delete;

  void Cancel() { cancelled_.store(true, std::memory_order_relaxed); }

  absl::Time deadline() const { return deadline_; }
  Priority priority() const { return priority_; }

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
  const Priority priority_;
};

}  // namespace favor

#endif  // FAVOR_BASE_CANCELLATION_H_
