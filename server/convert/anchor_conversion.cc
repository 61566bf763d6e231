#include "server/convert/anchor_conversion.h"

#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "favor/projection/projection.h"
#include "server/convert/field_error.h"

namespace favor {
namespace {

constexpr char kNumAnchors[] = "spec.features.num_anchors";
constexpr char kNumDirections[] = "spec.features.num_directions";
constexpr char kNumFitRows[] = "spec.features.num_fit_rows";
constexpr char kNumFeatures[] = "spec.features.num_features";

// Keep the answer from being worse than the mean of the values.
constexpr int64_t kFitRowsOfBest = 32;
// Of as many as cost the same, these were best on trained models' attention, of 4 to 16.
constexpr int64_t kDirectionsOfBest = 8;
constexpr int64_t kDirectionsOfSecondCumulant = 16;

absl::Status OutOf(absl::string_view field, int64_t value, int64_t low, int64_t high) {
  return FieldError(field, absl::StrCat(field, " is ", value, ", must be from ", low, " to ", high));
}

bool HasOneAnchor(v1::Estimator estimator) {
  return estimator == v1::ESTIMATOR_FIRST_ORDER || estimator == v1::ESTIMATOR_SECOND_CUMULANT;
}

absl::Status RefuseAnchors(const ChosenEstimator& chosen) {
  const std::pair<absl::string_view, int64_t> fields[] = {
      {kNumAnchors, chosen.num_anchors}, {kNumDirections, chosen.num_directions}, {kNumFitRows, chosen.num_fit_rows}};
  for (const auto& [field, value] : fields) {
    if (value != 0) return FieldError(field, absl::StrCat(field, " is ", value, ", ESTIMATOR_ANCHORS alone takes it"));
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> ReadNumAnchors(const v1::FeatureSpec& wire, const ChosenEstimator& chosen, int64_t head_dim) {
  const int64_t num_anchors = chosen.num_anchors;
  if (num_anchors != 0 && wire.has_num_features()) {
    return FieldError(kNumFeatures, absl::StrCat(kNumFeatures, " is ", wire.num_features(),
                                                 ", which says how many anchors, while there are to be ", num_anchors));
  }
  const int64_t num_features = wire.has_num_features() ? wire.num_features() : kDefaultFeaturesPerDim * head_dim;
  if (num_features < 1 || num_features > kMaxNumFeatures) return OutOf(kNumFeatures, num_features, 1, kMaxNumFeatures);
  if (num_anchors == 0) return DefaultNumAnchors(num_features, head_dim, chosen.num_directions);
  if (num_anchors < 0 || num_anchors > kMaxAnchors) return OutOf(kNumAnchors, num_anchors, 1, kMaxAnchors);
  return num_anchors;
}

}  // namespace

ChosenEstimator ChooseEstimator(const v1::FeatureSpec& wire, const SpecSizes& sizes) {
  const auto or_else = [](int64_t value, int64_t otherwise) { return value != 0 ? value : otherwise; };
  ChosenEstimator chosen{wire.estimator(), wire.num_anchors(), wire.num_directions(), wire.num_fit_rows()};
  if (HasOneAnchor(wire.estimator())) {
    chosen.estimator = v1::ESTIMATOR_ANCHORS;
    if (!wire.has_num_features()) chosen.num_anchors = or_else(chosen.num_anchors, 1);
    if (wire.estimator() == v1::ESTIMATOR_SECOND_CUMULANT) {
      chosen.num_directions = or_else(chosen.num_directions, kDirectionsOfSecondCumulant);
    }
  }
  if (wire.estimator() != v1::ESTIMATOR_BEST) return chosen;
  const bool softmax = wire.kernel() == v1::KERNEL_UNSPECIFIED || wire.kernel() == v1::KERNEL_SOFTMAX;
  if (!sizes.has_all_queries || !softmax) return {v1::ESTIMATOR_POSITIVE, 0, 0, 0};
  return {v1::ESTIMATOR_ANCHORS, chosen.num_anchors, or_else(chosen.num_directions, kDirectionsOfBest),
          or_else(chosen.num_fit_rows, kFitRowsOfBest)};
}

absl::Status ReadAnchors(const v1::FeatureSpec& wire, const ChosenEstimator& chosen, const SpecSizes& sizes,
                         FeatureSpec* spec) {
  if (!UsesAnchors(*spec)) return RefuseAnchors(chosen);
  if (!sizes.has_all_queries) {
    return FieldError(
        "spec.features.estimator",
        absl::StrCat("spec.features.estimator is ", v1::Estimator_Name(wire.estimator()),
                     ", which an Attend that is not causal serves alone: it has all queries and all keys"));
  }
  if (HasOneAnchor(wire.estimator()) && chosen.num_anchors != 1) {
    const absl::string_view field = chosen.num_anchors == 0 ? kNumFeatures : kNumAnchors;
    const int64_t value = chosen.num_anchors == 0 ? wire.num_features() : chosen.num_anchors;
    return FieldError(field, absl::StrCat(field, " is ", value, ", ", v1::Estimator_Name(wire.estimator()),
                                          " has 1 anchor and takes no num_features"));
  }
  if (wire.estimator() == v1::ESTIMATOR_FIRST_ORDER && chosen.num_directions != 0) {
    return FieldError(kNumDirections, absl::StrCat(kNumDirections, " is ", chosen.num_directions,
                                                   ", ESTIMATOR_FIRST_ORDER has none of second order"));
  }
  if (chosen.num_directions < 0 || chosen.num_directions > kMaxDirections) {
    return OutOf(kNumDirections, chosen.num_directions, 0, kMaxDirections);
  }
  if (chosen.num_fit_rows < 0 || chosen.num_fit_rows > kMaxFitRows) {
    return OutOf(kNumFitRows, chosen.num_fit_rows, 0, kMaxFitRows);
  }
  const absl::StatusOr<int64_t> num_anchors = ReadNumAnchors(wire, chosen, sizes.head_dim);
  if (!num_anchors.ok()) return num_anchors.status();
  spec->num_anchors = *num_anchors;
  spec->num_directions = chosen.num_directions;
  spec->num_fit_rows = chosen.num_fit_rows;
  return absl::OkStatus();
}

}  // namespace favor
