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

// Sizes of the tensors that a spec is for.
struct SpecSizes {
  int64_t head_dim = 0;
  int64_t num_key_heads = 0;
  bool has_all_queries = false;  // of a call that is not causal: anchors can be found among them
};

// Features of each coordinate where num_features is unset: the error of FAVOR+ at the usual head_dim of 64 then is that
// of 256 features.
constexpr int64_t kDefaultFeaturesPerDim = 4;

// Reads projection and num_features of spec.features into work->drawn_projection or work->supplied_projection.
// work->spec.features must be there and valid. Takes the bytes of the matrix out of `data`. Every Status names the
// field.
absl::Status ReadProjection(const v1::FeatureSpec& wire, const SpecSizes& sizes, LiftedData* data, SpecWork* work);

// The same of a call without tensors: the projection to draw, if the kernel takes one. A supplied matrix is ignored.
absl::StatusOr<std::optional<ProjectionSpec>> ReadDrawnProjection(const v1::FeatureSpec& wire,
                                                                  const FeatureSpec& features, int64_t head_dim);

// Writes num_features and projection, for a report.
void WriteDrawnProjection(const ProjectionSpec& drawn, v1::FeatureSpec* wire);

// The inverse of ReadProjection(), for the report; the matrix is left out.
void WriteProjection(const SpecWork& work, v1::FeatureSpec* wire);

}  // namespace favor

#endif  // FAVOR_SERVER_CONVERT_PROJECTION_CONVERSION_H_
