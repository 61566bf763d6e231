#include "server/stop_signals.h"

#include <algorithm>
#include <cerrno>
#include <utility>

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

int StopSignals::Await(absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  while (true) {
    const timespec left = absl::ToTimespec(std::max(deadline - absl::Now(), absl::ZeroDuration()));
    const int number = sigtimedwait(&signals_, nullptr, &left);
    if (number > 0) return number;
    if (errno != EINTR) return 0;  // a debugger interrupts; EAGAIN is the timeout
  }
}

int StopSignals::Wait(absl::Duration timeout) { return std::exchange(hangup_left_, false) ? SIGHUP : Await(timeout); }

bool StopSignals::WaitFor(absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  while (true) {
    const int number = Await(deadline - absl::Now());
    if (number != SIGHUP) return number != 0;
    hangup_left_ = true;
  }
}

}  // namespace favor
