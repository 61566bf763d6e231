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
constexpr char kNumFitRows[] = "spec.features.num_fit_rows";
constexpr char kNumFeatures[] = "spec.features.num_features";

// Keep the answer from being worse than the mean of the values.
constexpr int64_t kFitRowsOfBest = 32;

absl::Status OutOf(absl::string_view field, int64_t value, int64_t low, int64_t high) {
  return FieldError(field, absl::StrCat(field, " is ", value, ", must be from ", low, " to ", high));
}

absl::Status RefuseAnchors(const ChosenEstimator& chosen) {
  const std::pair<absl::string_view, int64_t> fields[] = {{kNumAnchors, chosen.num_anchors},
                                                          {kNumFitRows, chosen.num_fit_rows}};
  for (const auto& [field, value] : fields) {
    if (value != 0) return FieldError(field, absl::StrCat(field, " is ", value, ", ESTIMATOR_ANCHORS alone takes it"));
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> ReadNumAnchors(const v1::FeatureSpec& wire, int64_t num_anchors, int64_t head_dim) {
  if (num_anchors != 0 && wire.has_num_features()) {
    return FieldError(kNumFeatures, absl::StrCat(kNumFeatures, " is ", wire.num_features(),
                                                 ", which says how many anchors, while there are to be ", num_anchors));
  }
  const int64_t num_features = wire.has_num_features() ? wire.num_features() : kDefaultFeaturesPerDim * head_dim;
  if (num_features < 1 || num_features > kMaxNumFeatures) return OutOf(kNumFeatures, num_features, 1, kMaxNumFeatures);
  if (num_anchors == 0) return DefaultNumAnchors(num_features, head_dim);
  if (num_anchors < 0 || num_anchors > kMaxAnchors) return OutOf(kNumAnchors, num_anchors, 1, kMaxAnchors);
  return num_anchors;
}

}  // namespace

ChosenEstimator ChooseEstimator(const v1::FeatureSpec& wire, const SpecSizes& sizes) {
  ChosenEstimator chosen{wire.estimator(), wire.num_anchors(), wire.num_fit_rows()};
  if (wire.estimator() == v1::ESTIMATOR_FIRST_ORDER) {
    chosen.estimator = v1::ESTIMATOR_ANCHORS;
    if (chosen.num_anchors == 0 && !wire.has_num_features()) chosen.num_anchors = 1;
  }
  if (wire.estimator() != v1::ESTIMATOR_BEST) return chosen;
  const bool softmax = wire.kernel() == v1::KERNEL_UNSPECIFIED || wire.kernel() == v1::KERNEL_SOFTMAX;
  if (!sizes.has_all_queries || !softmax) return {v1::ESTIMATOR_POSITIVE, 0, 0};
  return {v1::ESTIMATOR_ANCHORS, chosen.num_anchors, chosen.num_fit_rows != 0 ? chosen.num_fit_rows : kFitRowsOfBest};
}

absl::Status ReadAnchors(const v1::FeatureSpec& wire, const ChosenEstimator& chosen, const SpecSizes& sizes,
                         FeatureSpec* spec) {
  if (!UsesAnchors(*spec)) return RefuseAnchors(chosen);
  if (!sizes.has_all_queries) {
    return FieldError("spec.features.estimator",
                      "spec.features.estimator is ESTIMATOR_ANCHORS, which an Attend that is not causal serves alone: "
                      "it has all queries and all keys");
  }
  if (wire.estimator() == v1::ESTIMATOR_FIRST_ORDER && chosen.num_anchors != 1) {
    return FieldError(kNumAnchors, absl::StrCat(kNumAnchors, " is ", chosen.num_anchors,
                                                ", ESTIMATOR_FIRST_ORDER has 1 and takes no num_features"));
  }
  const absl::StatusOr<int64_t> num_anchors = ReadNumAnchors(wire, chosen.num_anchors, sizes.head_dim);
  if (!num_anchors.ok()) return num_anchors.status();
  if (chosen.num_fit_rows < 0 || chosen.num_fit_rows > kMaxFitRows) {
    return OutOf(kNumFitRows, chosen.num_fit_rows, 0, kMaxFitRows);
  }
  spec->num_anchors = *num_anchors;
  spec->num_fit_rows = chosen.num_fit_rows;
  return absl::OkStatus();
}

}  // namespace favor
