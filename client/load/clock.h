#ifndef FAVOR_CLIENT_LOAD_CLOCK_H_
#define FAVOR_CLIENT_LOAD_CLOCK_H_

#include "absl/time/time.h"

namespace favor::load {

// Time that never jumps, so that a load can be planned by it and tests can turn it themselves. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  // Since some fixed moment.
  virtual absl::Duration Now() = 0;
  // Returns at once when `moment` has passed.
  virtual void SleepUntil(absl::Duration moment) = 0;
};

// The system's monotonic clock. A sleep ends as punctually as the kernel allows.
Clock* MonotonicClock();

}  // namespace favor::load

#endif  // FAVOR_CLIENT_LOAD_CLOCK_H_
