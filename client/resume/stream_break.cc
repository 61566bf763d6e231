#include "client/resume/stream_break.h"

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/errors.h"

namespace favor::client {

bool IsBreak(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kDeadlineExceeded:
      return true;
    case absl::StatusCode::kResourceExhausted:
      return RetryDelayOf(status).has_value();
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kInternal:
      // What gRPC makes of connections and streams that are reset. No favord says so.
      return absl::StrContains(status.message(), "RST_STREAM") ||
             absl::StrContains(status.message(), "Stream removed") ||
             absl::StrContains(status.message(), "Connection reset");
    default:
      return false;
  }
}

absl::Status WithText(const absl::Status& status, absl::string_view text) {
  absl::Status result(status.code(), absl::StrCat(status.message(), " (", text, ")"));
  status.ForEachPayload([&result](absl::string_view url, const absl::Cord& cord) { result.SetPayload(url, cord); });
  return result;
}

}  // namespace favor::client
