#ifndef FAVOR_SERVER_CONVERT_FEATURE_SPEC_CONVERSION_H_
#define FAVOR_SERVER_CONVERT_FEATURE_SPEC_CONVERSION_H_

#include "absl/status/statusor.h"
#include "favor/feature_map/feature_spec.h"
#include "favor/v1/attention.pb.h"
#include "server/convert/projection_conversion.h"

namespace favor {

// Kernel, estimator, nonlinearity, offset and epsilons of spec.features; the projection is read on its own. Every
// Status names the field.
absl::StatusOr<FeatureSpec> ReadFeatureSpec(const v1::FeatureSpec& wire, const SpecSizes& sizes);

// The inverse, for the report.
void WriteFeatureSpec(const FeatureSpec& spec, v1::FeatureSpec* wire);

}  // namespace favor

#endif  // FAVOR_SERVER_CONVERT_FEATURE_SPEC_CONVERSION_H_
