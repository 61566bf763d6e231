#ifndef FAVOR_CLIENT_WIRE_DURATION_WIRE_H_
#define FAVOR_CLIENT_WIRE_DURATION_WIRE_H_

#include <google/protobuf/duration.pb.h>

#include <algorithm>
#include <cstdint>

#include "absl/time/time.h"

namespace favor::client {

inline absl::Duration FromWire(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

// Clamped to what google.protobuf.Duration holds, 10,000 years.
inline google::protobuf::Duration ToWire(absl::Duration duration) {
  const absl::Duration bound = absl::Seconds(int64_t{315576000000});
  duration = std::clamp(duration, -bound, bound);
  google::protobuf::Duration wire;
  wire.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &duration));
  wire.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(duration)));
  return wire;
}

}  // namespace favor::client

#endif  // FAVOR_CLIENT_WIRE_DURATION_WIRE_H_
