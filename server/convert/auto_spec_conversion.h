#ifndef FAVOR_SERVER_CONVERT_AUTO_SPEC_CONVERSION_H_
#define FAVOR_SERVER_CONVERT_AUTO_SPEC_CONVERSION_H_

#include <cstdint>

#include "absl/status/status.h"
#include "favor/v1/attention_spec.pb.h"
#include "server/execution/attend_work.h"

namespace favor {

// Reads a spec whose mode is `auto`, for Attend, once output_type is known. Every Status names the field.
absl::Status ReadAutoSpec(const v1::AttentionSpec& wire, int64_t head_dim, AttendWork* work);

}  // namespace favor

#endif  // FAVOR_SERVER_CONVERT_AUTO_SPEC_CONVERSION_H_
