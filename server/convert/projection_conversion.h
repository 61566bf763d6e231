#ifndef FAVOR_SERVER_CONVERT_PROJECTION_CONVERSION_H_
#define FAVOR_SERVER_CONVERT_PROJECTION_CONVERSION_H_

#include "absl/status/status.h"
#include "favor/v1/attention.pb.h"
#include "server/convert/attend_wire_reader.h"
#include "server/execution/attend_work.h"

namespace favor {

// Reads spec.features.projection and spec.features.num_features into work->drawn_projection or
// work->supplied_projection. work->spec.features and the shapes of queries and keys must be there and valid. Takes the
// bytes of the matrix out of the message. Every Status names the field.
absl::Status ReadProjection(AttendMessage& message, AttendWork* work);

// The inverse, for the report; the matrix is left out.
void WriteProjection(const AttendWork& work, v1::FeatureSpec* wire);

}  // namespace favor

#endif  // FAVOR_SERVER_CONVERT_PROJECTION_CONVERSION_H_
