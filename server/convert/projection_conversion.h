#ifndef FAVOR_SERVER_CONVERT_PROJECTION_CONVERSION_H_
#define FAVOR_SERVER_CONVERT_PROJECTION_CONVERSION_H_

#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "favor/feature_map/feature_spec.h"
#include "favor/projection/projection.h"
#include "favor/v1/attention.pb.h"
#include "server/convert/attend_wire_reader.h"
#include "server/execution/attend_work.h"

namespace favor {

// Reads spec.features.projection and spec.features.num_features into work->drawn_projection or
// work->supplied_projection. work->spec.features and the shapes of queries and keys must be there and valid. Takes the
// bytes of the matrix out of the message. Every Status names the field.
absl::Status ReadProjection(AttendMessage& message, AttendWork* work);

// The same of a call without tensors: the projection to draw, if the kernel takes one. A supplied matrix is ignored.
absl::StatusOr<std::optional<ProjectionSpec>> ReadDrawnProjection(const v1::FeatureSpec& wire,
                                                                  const FeatureSpec& features, int64_t head_dim);

// Writes num_features and projection, for a report.
void WriteDrawnProjection(const ProjectionSpec& drawn, v1::FeatureSpec* wire);

// The inverse of ReadProjection(), for the report; the matrix is left out.
void WriteProjection(const AttendWork& work, v1::FeatureSpec* wire);

}  // namespace favor

#endif  // FAVOR_SERVER_CONVERT_PROJECTION_CONVERSION_H_
