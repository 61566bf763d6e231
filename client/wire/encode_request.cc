#include "client/wire/encode_request.h"

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "client/wire/data_type_wire.h"
#include "client/wire/duration_wire.h"
#include "favor/v1/attention.pb.h"

// Each message is written by Protobuf, but for the tensors and the messages around them: those are put together by
// MessageBuilder, so that the tensors' bytes are never copied.
namespace favor::client {
namespace {

void AddAll(const std::vector<int64_t>& from, google::protobuf::RepeatedField<int64_t>* to) {
  to->Add(from.begin(), from.end());
}

MessageBuilder Encode(const Projection& projection) {
  v1::Projection wire;
  wire.set_kind(static_cast<v1::ProjectionKind>(projection.kind));
  wire.set_row_norms(static_cast<v1::RowNorms>(projection.row_norms));
  if (projection.seed) wire.set_seed(*projection.seed);
  MessageBuilder builder;
  builder.AppendFields(wire.SerializeAsString());
  if (projection.matrix) builder.AppendMessage(v1::Projection::kMatrixFieldNumber, EncodeTensor(*projection.matrix));
  return builder;
}

void Encode(const Statistics& statistics, v1::Statistics* wire) {
  for (const Statistics::Head& head : statistics.heads) {
    v1::Statistics::Head* wire_head = wire->add_heads();
    wire_head->mutable_key_shift()->Add(head.key_shift.begin(), head.key_shift.end());
    wire_head->mutable_query_transform()->Add(head.query_transform.begin(), head.query_transform.end());
    wire_head->mutable_proposal()->Add(head.proposal.begin(), head.proposal.end());
    wire_head->mutable_anchors()->Add(head.anchors.begin(), head.anchors.end());
    wire_head->mutable_directions()->Add(head.directions.begin(), head.directions.end());
  }
}

MessageBuilder Encode(const FeatureSpec& spec) {
  v1::FeatureSpec wire;
  wire.set_kernel(static_cast<v1::Kernel>(spec.kernel));
  wire.set_estimator(static_cast<v1::Estimator>(spec.estimator));
  if (spec.num_features) wire.set_num_features(*spec.num_features);
  wire.set_nonlinearity(static_cast<v1::Nonlinearity>(spec.nonlinearity));
  if (spec.polynomial_offset) wire.set_polynomial_offset(*spec.polynomial_offset);
  if (spec.epsilon_parity) {
    v1::EpsilonParity* parity = wire.mutable_epsilon_parity();
    if (spec.epsilon_parity->feature_epsilon) parity->set_feature_epsilon(*spec.epsilon_parity->feature_epsilon);
    if (spec.epsilon_parity->causal_epsilon) parity->set_causal_epsilon(*spec.epsilon_parity->causal_epsilon);
  }
  if (spec.statistics) Encode(*spec.statistics, wire.mutable_statistics());
  wire.set_antithetic(spec.antithetic);
  wire.set_precondition(spec.precondition);
  wire.set_num_exact_keys(spec.num_exact_keys);
  wire.set_num_anchors(spec.num_anchors);
  wire.set_num_fit_rows(spec.num_fit_rows);
  wire.set_num_directions(spec.num_directions);
  MessageBuilder builder;
  builder.AppendFields(wire.SerializeAsString());
  // Kernels without a projection refuse one, so an empty message is not sent.
  MessageBuilder projection = Encode(spec.projection);
  if (projection.size_bytes() > 0) {
    builder.AppendMessage(v1::FeatureSpec::kProjectionFieldNumber, std::move(projection));
  }
  return builder;
}

void Encode(const AutoSpec& spec, v1::AutoSpec* wire) {
  wire->set_max_relative_error(spec.max_relative_error);
  if (spec.time_budget) *wire->mutable_time_budget() = ToWire(*spec.time_budget);
  wire->set_when_missed(static_cast<v1::AutoSpec::WhenMissed>(spec.when_missed));
}

}  // namespace

MessageBuilder EncodeTensor(const TensorView& tensor) {
  v1::Tensor wire;
  wire.set_data_type(ToWire(tensor.type));
  AddAll(tensor.shape, wire.mutable_shape());
  MessageBuilder builder;
  builder.AppendFields(wire.SerializeAsString());
  builder.AppendBytes(v1::Tensor::kDataFieldNumber, tensor.bytes);
  return builder;
}

MessageBuilder EncodeAttentionSpec(const AttentionSpec& spec) {
  v1::AttentionSpec wire;
  wire.set_causal(spec.causal);
  if (spec.scale) wire.set_scale(*spec.scale);
  wire.set_layout(static_cast<v1::Layout>(spec.layout));
  wire.set_precision(static_cast<v1::Precision>(spec.precision));
  if (std::holds_alternative<ExactSpec>(spec.mode)) wire.mutable_exact();
  if (const auto* automatic = std::get_if<AutoSpec>(&spec.mode)) Encode(*automatic, wire.mutable_auto_());
  MessageBuilder builder;
  builder.AppendFields(wire.SerializeAsString());
  if (const auto* features = std::get_if<FeatureSpec>(&spec.mode)) {
    builder.AppendMessage(v1::AttentionSpec::kFeaturesFieldNumber, Encode(*features));
  }
  return builder;
}

MessageBuilder EncodeAttendRequest(const AttendInputs& inputs, const AttendOptions& options) {
  v1::AttendRequest wire;
  AddAll(options.query_lengths, wire.mutable_query_lengths());
  AddAll(options.key_lengths, wire.mutable_key_lengths());
  AddAll(options.query_offsets, wire.mutable_query_offsets());
  AddAll(options.key_offsets, wire.mutable_key_offsets());
  if (options.output_type) wire.set_output_type(ToWire(*options.output_type));
  wire.set_measure_error_rows(options.measure_error_rows);

  MessageBuilder builder;
  builder.AppendMessage(v1::AttendRequest::kSpecFieldNumber, EncodeAttentionSpec(options.spec));
  builder.AppendFields(wire.SerializeAsString());
  builder.AppendMessage(v1::AttendRequest::kQueriesFieldNumber, EncodeTensor(inputs.queries));
  builder.AppendMessage(v1::AttendRequest::kKeysFieldNumber, EncodeTensor(inputs.keys));
  builder.AppendMessage(v1::AttendRequest::kValuesFieldNumber, EncodeTensor(inputs.values));
  return builder;
}

MessageBuilder EncodeCalibrateRequest(const CalibrateInputs& inputs, const AttentionSpec& spec) {
  MessageBuilder builder;
  builder.AppendMessage(v1::CalibrateRequest::kSpecFieldNumber, EncodeAttentionSpec(spec));
  builder.AppendMessage(v1::CalibrateRequest::kQueriesFieldNumber, EncodeTensor(inputs.queries));
  builder.AppendMessage(v1::CalibrateRequest::kKeysFieldNumber, EncodeTensor(inputs.keys));
  return builder;
}

}  // namespace favor::client
