#ifndef FAVOR_TESTS_BENCHMARKS_CLOCK_H_
#define FAVOR_TESTS_BENCHMARKS_CLOCK_H_

#include <time.h>

namespace favor {

inline double SecondsOf(clockid_t clock) {
  timespec time;
  clock_gettime(clock, &time);
  return time.tv_sec + 1e-9 * time.tv_nsec;
}

// Seconds that `run` takes by a clock. By a CPU clock, time in which others had the core does not count.
template <typename Run>
double SecondsOf(clockid_t clock, Run run) {
  const double begin = SecondsOf(clock);
  run();
  return SecondsOf(clock) - begin;
}

}  // namespace favor

#endif  // FAVOR_TESTS_BENCHMARKS_CLOCK_H_
