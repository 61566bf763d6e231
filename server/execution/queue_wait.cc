#include "server/execution/queue_wait.h"

#include <string>

#include "absl/strings/cord.h"
#include "absl/types/optional.h"

namespace favor {
namespace {

constexpr char kQueueWaitUrl[] = "favor/queue_wait";

}  // namespace

absl::Status WithQueueWait(absl::Status status, absl::Duration wait) {
  if (!absl::IsCancelled(status) && !absl::IsDeadlineExceeded(status)) return status;
  status.SetPayload(kQueueWaitUrl, absl::Cord(absl::FormatDuration(wait)));
  return status;
}

std::optional<absl::Duration> QueueWaitOf(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kQueueWaitUrl);
  absl::Duration wait;
  if (!payload || !absl::ParseDuration(std::string(*payload), &wait)) return std::nullopt;
  return wait;
}

}  // namespace favor
