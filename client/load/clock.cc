#include "client/load/clock.h"

#include <sys/prctl.h>
#include <time.h>

#include <cerrno>

namespace favor::load {
namespace {

class SystemMonotonicClock : public Clock {
 public:
  absl::Duration Now() override {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return absl::DurationFromTimespec(now);
  }

  void SleepUntil(absl::Duration moment) override {
    // Otherwise the kernel may wake us 50 us late to save power.
    [[maybe_unused]] thread_local const int slack = prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    const timespec until = absl::ToTimespec(moment);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) {
    }
  }
};

}  // namespace

Clock* MonotonicClock() {
  static SystemMonotonicClock clock;
  return &clock;
}

}  // namespace favor::load
