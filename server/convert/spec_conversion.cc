#include "server/convert/spec_conversion.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/convert/feature_spec_conversion.h"
#include "server/convert/field_error.h"
#include "server/convert/statistics_conversion.h"
#include "server/convert/tensor_conversion.h"

namespace favor {
namespace {

absl::Status CheckPrecision(v1::Precision precision) {
  if (!v1::Precision_IsValid(precision)) {
    return FieldError("spec.precision",
                      absl::StrCat("spec.precision is ", static_cast<int>(precision), ", which is no Precision"));
  }
  return absl::OkStatus();
}

absl::Status CheckWireScale(const v1::AttentionSpec& wire) {
  const absl::Status status = wire.has_scale() ? favor::CheckScale(wire.scale()) : absl::OkStatus();
  return status.ok() ? status : FieldError("spec.scale", absl::StrCat("spec.", status.message()));
}

}  // namespace

absl::Status ReadCommonSpec(const v1::AttentionSpec& wire, SpecWork* work) {
  absl::Status status = CheckPrecision(wire.precision());
  status.Update(CheckWireScale(wire));
  if (!status.ok()) return status;
  work->spec.causal = wire.causal();
  if (wire.precision() == v1::PRECISION_BF16) work->spec.precision = Precision::kBFloat16;
  return absl::OkStatus();
}

absl::Status ReadSpec(const v1::AttentionSpec& wire, const SpecSizes& sizes, LiftedData* data, SpecWork* work) {
  if (wire.has_auto_()) {
    return FieldError("spec.auto",
                      "spec.auto is set, which Attend alone serves: it chooses by the whole of a call's "
                      "queries and keys; must be features or exact here");
  }
  absl::Status status = ReadCommonSpec(wire, work);
  if (!status.ok()) return status;
  AttentionSpec& spec = work->spec;
  if (wire.has_exact()) {
    spec.mode = AttentionMode::kExact;
  } else {
    spec.mode = AttentionMode::kFeatures;
    const absl::StatusOr<FeatureSpec> features = ReadFeatureSpec(wire.features(), sizes);
    if (!features.ok()) return features.status();
    spec.features = *features;
    if (wire.features().has_statistics()) {
      auto statistics = ReadStatistics(wire.features().statistics(), spec.features, sizes);
      if (!statistics.ok()) return statistics.status();
      spec.features.statistics = *std::move(statistics);
    }
    if (status = ReadProjection(wire.features(), sizes, data, work); !status.ok()) return status;
  }
  // In exact mode spec.features is the default, softmax, and so is its scale.
  spec.scale = wire.has_scale() ? wire.scale() : DefaultScale(spec.features.kernel, sizes.head_dim);
  return absl::OkStatus();
}

void SettleForState(AttentionSpec* spec) {
  if (spec->features.statistics == nullptr) spec->features = WithoutStatistics(spec->features);
}

v1::AttentionSpec EffectiveSpec(const SpecWork& work) {
  v1::AttentionSpec wire;
  wire.set_causal(work.spec.causal);
  wire.set_scale(*work.spec.scale);
  wire.set_layout(ToWire(work.axis_order));
  if (work.spec.mode == AttentionMode::kExact) {
    wire.mutable_exact();
  } else {
    WriteFeatureSpec(FeaturesThatRun(work.spec), wire.mutable_features());
    WriteProjection(work, wire.mutable_features());
  }
  return wire;
}

}  // namespace favor
