#ifndef FAVOR_TESTS_INTEGRATION_HARNESS_AWAIT_H_
#define FAVOR_TESTS_INTEGRATION_HARNESS_AWAIT_H_

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace favor::testing {

// Looks until `condition` holds or the time is up: for what another process shows only to those who ask. The time is
// that of a machine which is busy with other tests: it passes where something is wrong.
template <typename Condition>
bool Eventually(const Condition& condition, absl::Duration timeout = absl::Seconds(60)) {
  const absl::Time deadline = absl::Now() + timeout;
  while (!condition()) {
    if (absl::Now() >= deadline) return false;
    absl::SleepFor(absl::Milliseconds(2));
  }
  return true;
}

}  // namespace favor::testing

#endif  // FAVOR_TESTS_INTEGRATION_HARNESS_AWAIT_H_
