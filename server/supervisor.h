#ifndef FAVOR_SERVER_SUPERVISOR_H_
#define FAVOR_SERVER_SUPERVISOR_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace favor {

// Tells a service manager that speaks systemd's protocol (sd_notify(3)) how this process does: "READY=1",
// "STOPPING=1", "STATUS=..." as one datagram to the socket that $NOTIFY_SOCKET names. Does nothing when nobody
// supervises. Not for use once other threads change the environment.
absl::Status NotifySupervisor(absl::string_view state);

// The same to a socket of that name; '@' begins an abstract one.
absl::Status NotifySupervisorAt(const std::string& socket_path, absl::string_view state);

// How long the supervisor waits for "WATCHDOG=1" before it restarts this process, from $WATCHDOG_USEC and, if it is
// set, $WATCHDOG_PID; zero: it does not.
absl::Duration WatchdogTimeout();

}  // namespace favor

#endif  // FAVOR_SERVER_SUPERVISOR_H_
