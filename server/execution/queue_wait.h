#ifndef FAVOR_SERVER_EXECUTION_QUEUE_WAIT_H_
#define FAVOR_SERVER_EXECUTION_QUEUE_WAIT_H_

#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace favor {

// A status of work that ended since its caller had left or its time was up, and how long it had waited for its first
// step: the waits of those who gave up are the longest. A payload (duration_payload.h). Any other status stays as it
// is.
absl::Status WithQueueWait(absl::Status status, absl::Duration wait);

std::optional<absl::Duration> QueueWaitOf(const absl::Status& status);

}  // namespace favor

#endif  // FAVOR_SERVER_EXECUTION_QUEUE_WAIT_H_
