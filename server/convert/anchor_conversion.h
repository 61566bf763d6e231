#ifndef FAVOR_SERVER_CONVERT_ANCHOR_CONVERSION_H_
#define FAVOR_SERVER_CONVERT_ANCHOR_CONVERSION_H_

#include <cstdint>

#include "absl/status/status.h"
#include "favor/feature_map/feature_spec.h"
#include "favor/v1/attention.pb.h"
#include "server/convert/projection_conversion.h"

namespace favor {

struct ChosenEstimator {
  v1::Estimator estimator;
  int64_t num_anchors, num_directions, num_fit_rows;  // 0: unset
};

// The estimator that runs where ESTIMATOR_BEST is asked for, with its defaults, and one anchor where
// ESTIMATOR_FIRST_ORDER or ESTIMATOR_SECOND_CUMULANT is; any other as it is.
ChosenEstimator ChooseEstimator(const v1::FeatureSpec& wire, const SpecSizes& sizes);

// Reads what anchors are made of, or refuses it where `spec` has no anchors. Every Status names the field.
absl::Status ReadAnchors(const v1::FeatureSpec& wire, const ChosenEstimator& chosen, const SpecSizes& sizes,
                         FeatureSpec* spec);

}  // namespace favor

#endif  // FAVOR_SERVER_CONVERT_ANCHOR_CONVERSION_H_
