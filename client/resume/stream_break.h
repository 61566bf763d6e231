#ifndef FAVOR_CLIENT_RESUME_STREAM_BREAK_H_
#define FAVOR_CLIENT_RESUME_STREAM_BREAK_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace favor::client {

// Whether another server, or the same one later, may do what a call could not, given that the caller's own deadline is
// not the reason: a server that is gone, has no room for the moment (and says when to come back), or cancelled the
// call.
bool IsBreak(const absl::Status& status);

// The status with a remark in parentheses, details kept.
absl::Status WithText(const absl::Status& status, absl::string_view text);

}  // namespace favor::client

#endif  // FAVOR_CLIENT_RESUME_STREAM_BREAK_H_
