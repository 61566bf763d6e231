#include "client/wire/decode_report.h"

#include <vector>

#include "client/wire/duration_wire.h"

namespace favor::client {
namespace {

std::vector<double> ToVector(const google::protobuf::RepeatedField<double>& values) {
  return {values.begin(), values.end()};
}

ErrorEstimate Decode(const v1::ErrorEstimate& wire) {
  return {wire.relative_error(), wire.lower(), wire.upper(), wire.mean_of_values_error(), wire.num_rows()};
}

FeatureSpec Decode(const v1::FeatureSpec& wire) {
  FeatureSpec spec;
  spec.kernel = static_cast<Kernel>(wire.kernel());
  spec.estimator = static_cast<Estimator>(wire.estimator());
  if (wire.has_num_features()) spec.num_features = wire.num_features();
  spec.projection.kind = static_cast<ProjectionKind>(wire.projection().kind());
  spec.projection.row_norms = static_cast<RowNorms>(wire.projection().row_norms());
  if (wire.projection().has_seed()) spec.projection.seed = wire.projection().seed();
  spec.nonlinearity = static_cast<Nonlinearity>(wire.nonlinearity());
  if (wire.has_polynomial_offset()) spec.polynomial_offset = wire.polynomial_offset();
  if (wire.has_epsilon_parity()) {
    const v1::EpsilonParity& parity = wire.epsilon_parity();
    spec.epsilon_parity.emplace();
    if (parity.has_feature_epsilon()) spec.epsilon_parity->feature_epsilon = parity.feature_epsilon();
    if (parity.has_causal_epsilon()) spec.epsilon_parity->causal_epsilon = parity.causal_epsilon();
  }
  if (wire.has_statistics()) spec.statistics = DecodeStatistics(wire.statistics());
  spec.antithetic = wire.antithetic();
  spec.precondition = wire.precondition();
  spec.num_exact_keys = wire.num_exact_keys();
  spec.num_anchors = wire.num_anchors();
  spec.num_fit_rows = wire.num_fit_rows();
  spec.num_directions = wire.num_directions();
  return spec;
}

AutoSpec Decode(const v1::AutoSpec& wire) {
  AutoSpec spec;
  spec.max_relative_error = wire.max_relative_error();
  if (wire.has_time_budget()) spec.time_budget = FromWire(wire.time_budget());
  spec.when_missed = static_cast<WhenMissed>(wire.when_missed());
  return spec;
}

}  // namespace

Statistics DecodeStatistics(const v1::Statistics& wire) {
  Statistics statistics;
  for (const v1::Statistics::Head& head : wire.heads()) {
    statistics.heads.push_back({ToVector(head.key_shift()), ToVector(head.query_transform()), ToVector(head.proposal()),
                                ToVector(head.anchors()), ToVector(head.directions())});
  }
  return statistics;
}

AttentionSpec DecodeAttentionSpec(const v1::AttentionSpec& wire) {
  AttentionSpec spec;
  spec.causal = wire.causal();
  if (wire.has_scale()) spec.scale = wire.scale();
  spec.layout = static_cast<Layout>(wire.layout());
  if (wire.has_exact()) {
    spec.mode = ExactSpec();
  } else if (wire.has_auto_()) {
    spec.mode = Decode(wire.auto_());
  } else {
    spec.mode = Decode(wire.features());
  }
  spec.precision = static_cast<Precision>(wire.precision());
  return spec;
}

AttendReport DecodeReport(const v1::AttendReport& wire) {
  AttendReport report;
  report.spec = DecodeAttentionSpec(wire.spec());
  report.projection_id = wire.projection_id();
  report.num_features = wire.num_features();
  report.degenerate_rows = wire.degenerate_rows();
  report.queue_time = FromWire(wire.queue_time());
  report.compute_time = FromWire(wire.compute_time());
  report.server_version = wire.server_version();
  report.cpu_target = wire.cpu_target();
  if (wire.has_statistics()) report.statistics = DecodeStatistics(wire.statistics());
  if (wire.has_predicted_error()) report.predicted_error = Decode(wire.predicted_error());
  if (wire.has_measured_error()) report.measured_error = Decode(wire.measured_error());
  report.error_bound_missed = wire.error_bound_missed();
  report.reason = wire.reason();
  return report;
}

}  // namespace favor::client
