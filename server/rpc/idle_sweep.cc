#include "server/rpc/idle_sweep.h"

#include <algorithm>

#include "absl/time/clock.h"

namespace favor {

IdleSweep::IdleSweep(const CallsInFlight* calls, absl::Duration timeout)
    : thread_([this, calls, timeout] {
        const absl::Duration period = std::clamp(timeout / 8, absl::Milliseconds(10), absl::Seconds(10));
        while (!stop_.WaitForNotificationWithTimeout(period)) calls->EndIdle(absl::Now(), timeout);
      }) {}

IdleSweep::~IdleSweep() {
  stop_.Notify();
  thread_.join();
}

}  // namespace favor
