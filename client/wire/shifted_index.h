#ifndef FAVOR_CLIENT_WIRE_SHIFTED_INDEX_H_
#define FAVOR_CLIENT_WIRE_SHIFTED_INDEX_H_

#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace favor::client {

// An error about "inputs[2]" (`field` is "inputs") of a request that begins with input `first` of the caller's, as one
// about the caller's own: "inputs[66]" at the beginning of the message and in the fields that google.rpc.BadRequest
// names, and of what it says of them.
absl::Status WithIndexesFrom(size_t first, absl::string_view field, const absl::Status& status);

}  // namespace favor::client

#endif  // FAVOR_CLIENT_WIRE_SHIFTED_INDEX_H_
