#ifndef FAVOR_TESTS_INTEGRATION_HARNESS_SLOWDOWN_H_
#define FAVOR_TESTS_INTEGRATION_HARNESS_SLOWDOWN_H_

#include <ctime>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace favor::testing {

// How much longer work takes now than on a machine that does nothing else: 1, and more where others take its
// processors. For bounds on time, which would otherwise be bounds on what else runs. Takes 50 ms of a thread.
inline double Slowdown() {
  const auto cpu_time = [] {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return absl::DurationFromTimespec(time);
  };
  const absl::Time start = absl::Now();
  const absl::Duration before = cpu_time();
  absl::Duration used;
  do {
    used = cpu_time() - before;
  } while (used < absl::Milliseconds(50));
  return absl::FDivDuration(absl::Now() - start, used);
}

}  // namespace favor::testing

#endif  // FAVOR_TESTS_INTEGRATION_HARNESS_SLOWDOWN_H_
