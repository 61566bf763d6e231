#include "server/execution/queue_wait.h"

#include "server/execution/duration_payload.h"

namespace favor {
namespace {

constexpr char kQueueWaitUrl[] = "favor/queue_wait";

}  // namespace

absl::Status WithQueueWait(absl::Status status, absl::Duration wait) {
  if (absl::IsCancelled(status) || absl::IsDeadlineExceeded(status)) SetDurationPayload(kQueueWaitUrl, wait, &status);
  return status;
}

std::optional<absl::Duration> QueueWaitOf(const absl::Status& status) {
  return DurationPayloadOf(kQueueWaitUrl, status);
}

}  // namespace favor
