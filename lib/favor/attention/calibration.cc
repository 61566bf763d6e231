#include "favor/attention/calibration.h"

#include <utility>

#include "favor/attention/statistics_phases.h"
#include "favor/attention/validate.h"
#include "favor/feature_map/feature_map.h"

namespace favor {
namespace {

// The shapes that a call without values has to have, checked as those of a call with values of one number.
absl::Status CheckInputs(const AttentionInputs& inputs) {
  AttentionInputs checked = inputs;
  checked.values = inputs.keys;
  checked.values.shape.dim = 1;
  checked.projection = nullptr;
  checked.num_earlier_keys = 0;
  MutableTensorView output;
  output.shape = inputs.queries.shape;
  output.shape.dim = 1;
  return internal::ValidateAttention(AttentionSpec(), checked, output);
}

}  // namespace

absl::StatusOr<Job> PlanCalibration(const AttentionSpec& spec, const AttentionInputs& inputs,
                                    const Cancellation* cancellation, std::shared_ptr<Statistics> statistics) {
  if (absl::Status status = CheckInputs(inputs); !status.ok()) return status;
  const int64_t head_dim = inputs.keys.shape.dim;
  const double scale = spec.scale.value_or(DefaultScale(spec.features.kernel, head_dim));
  FeatureSpec features = spec.features;
  features.statistics = nullptr;
  if (absl::Status status = CheckParameters(features, scale); !status.ok()) return status;
  if (spec.mode != AttentionMode::kFeatures || !UsesStatistics(features)) {
    return absl::InvalidArgumentError(
        "there is nothing to measure: estimator must be oprf, sderf, saderf or anchors, or precondition true");
  }
  statistics->heads.assign(inputs.keys.shape.num_heads, {});
  return Job{internal::MeasurementPhases(features, scale, inputs, cancellation, std::move(statistics), nullptr)};
}

int64_t CalibrationBytes(const AttentionSpec& spec, const AttentionInputs& inputs) {
  return internal::MeasurementBytes(spec.features, inputs);
}

}  // namespace favor
