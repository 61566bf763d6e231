#include "server/stop_signals.h"

#include <algorithm>
#include <cerrno>

#include "absl/time/clock.h"

namespace favor {

StopSignals::StopSignals() {
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGTERM);
  sigaddset(&signals_, SIGINT);
  sigaddset(&signals_, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

int StopSignals::Wait(absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  while (true) {
    const timespec left = absl::ToTimespec(std::max(deadline - absl::Now(), absl::ZeroDuration()));
    const int number = sigtimedwait(&signals_, nullptr, &left);
    if (number > 0) return number;
    if (errno != EINTR) return 0;  // a debugger interrupts; EAGAIN is the timeout
  }
}

bool StopSignals::WaitFor(absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  while (true) {
    const int number = Wait(deadline - absl::Now());
    if (number != SIGHUP) return number != 0;
  }
}

}  // namespace favor
