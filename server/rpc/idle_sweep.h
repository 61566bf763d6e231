#ifndef FAVOR_SERVER_RPC_IDLE_SWEEP_H_
#define FAVOR_SERVER_RPC_IDLE_SWEEP_H_

#include <thread>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "server/rpc/calls_in_flight.h"

namespace favor {

// Ends calls that have waited for their client alone for `timeout`, at most an eighth of it late: a thread that looks
// at all of them now and then, so that the calls need no timers.
class IdleSweep {
 public:
  // `calls` is not owned.
  IdleSweep(const CallsInFlight* calls, absl::Duration timeout);
  ~IdleSweep();

 private:
  absl::Notification stop_;
  std::thread thread_;
};

}  // namespace favor

#endif  // FAVOR_SERVER_RPC_IDLE_SWEEP_H_
