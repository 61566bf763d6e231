#ifndef FAVOR_SERVER_STOP_SIGNALS_H_
#define FAVOR_SERVER_STOP_SIGNALS_H_

#include <signal.h>

#include "absl/time/time.h"

namespace favor {

// SIGTERM and SIGINT, which stop, and SIGHUP, which reloads: waited for instead of handled: a handler could do next to
// nothing safely.
class StopSignals {
 public:
  // Blocks the signals, and ignores SIGPIPE, for this thread and all that it starts: to be called before any other
  // thread exists.
  StopSignals();

  // Waits for any of them, at most for `timeout`; its number, 0 when none came.
  int Wait(absl::Duration timeout);
  // Waits for one that stops, at most for `timeout`; whether it came. A SIGHUP meanwhile is left to the next Wait().
  bool WaitFor(absl::Duration timeout);

 private:
  int Await(absl::Duration timeout);

  sigset_t signals_;
  bool hangup_left_ = false;
};

}  // namespace favor

#endif  // FAVOR_SERVER_STOP_SIGNALS_H_
