#ifndef FAVOR_SERVER_CONVERT_CALIBRATE_REQUEST_CONVERSION_H_
#define FAVOR_SERVER_CONVERT_CALIBRATE_REQUEST_CONVERSION_H_

#include "absl/status/statusor.h"
#include "favor/v1/attention.pb.h"
#include "server/convert/attend_wire_reader.h"
#include "server/execution/attend_work.h"

namespace favor {

// One Calibrate call, checked and typed.
struct CalibrateWork : SpecWork {
  OwnedTensor queries;  // [batch, heads, query_length, head_dim]
  OwnedTensor keys;     // [batch, key_heads, key_length, head_dim]
};

// Everything about a request but the values in its tensors. Every Status names the field.
absl::StatusOr<CalibrateWork> ToCalibrateWork(const v1::CalibrateRequest& request, LiftedData* data);

}  // namespace favor

#endif  // FAVOR_SERVER_CONVERT_CALIBRATE_REQUEST_CONVERSION_H_
