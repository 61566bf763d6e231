#include "tests/integration/harness/attend_wire.h"

#include <string>

#include "tests/support/strided_tensor.h"

namespace favor::testing {
namespace {

Strides StridesOf(const Shape& shape, v1::Layout layout) {
  return layout == v1::LAYOUT_BATCH_LENGTH_HEADS_DIM ? BatchLengthHeadsDim(shape) : BatchHeadsLengthDim(shape);
}

// Enumerators of the wire are those of the library plus one, which UNSPECIFIED takes.
template <typename WireEnum, typename Enum>
WireEnum WireOf(Enum value) {
  return static_cast<WireEnum>(static_cast<int>(value) + 1);
}

v1::Tensor MatrixToWire(const Projection& projection) {
  v1::Tensor wire;
  wire.set_data_type(v1::DATA_TYPE_F32);
  if (projection.num_matrices() > 1) wire.add_shape(projection.num_matrices());
  wire.add_shape(projection.num_features());
  wire.add_shape(projection.head_dim());
  for (int64_t head = 0; head < projection.num_matrices(); ++head) {
    const absl::Span<const float> matrix = projection.Matrix(head);
    wire.mutable_data()->append(reinterpret_cast<const char*>(matrix.data()), matrix.size() * sizeof(float));
  }
  return wire;
}

void WriteFeatures(const AttentionCase& attention_case, v1::FeatureSpec* wire) {
  const FeatureSpec& spec = attention_case.spec.features;
  const ProjectionUse use = ProjectionUseOf(spec);
  wire->set_kernel(WireOf<v1::Kernel>(spec.kernel));
  if (use == ProjectionUse::kRequired) wire->set_estimator(WireOf<v1::Estimator>(spec.estimator));
  wire->set_antithetic(spec.antithetic);
  wire->set_precondition(spec.precondition);
  if (spec.statistics != nullptr) {
    for (const HeadStatistics& head : spec.statistics->heads) {
      v1::Statistics::Head* to = wire->mutable_statistics()->add_heads();
      to->mutable_key_shift()->Add(head.key_shift.begin(), head.key_shift.end());
      to->mutable_query_transform()->Add(head.query_transform.begin(), head.query_transform.end());
      to->mutable_proposal()->Add(head.proposal.begin(), head.proposal.end());
    }
  }
  if (spec.kernel == Kernel::kGeneralized) wire->set_nonlinearity(WireOf<v1::Nonlinearity>(spec.nonlinearity));
  if (spec.kernel == Kernel::kPolynomial2) wire->set_polynomial_offset(spec.polynomial_offset);
  if (spec.epsilon_parity) {
    wire->mutable_epsilon_parity()->set_feature_epsilon(spec.epsilon_parity->feature_epsilon);
    wire->mutable_epsilon_parity()->set_causal_epsilon(spec.epsilon_parity->causal_epsilon);
  }
  if (attention_case.projection != nullptr) {
    *wire->mutable_projection()->mutable_matrix() = MatrixToWire(*attention_case.projection);
  } else if (use == ProjectionUse::kOptional) {
    wire->mutable_projection()->set_kind(v1::PROJECTION_KIND_IDENTITY);
  }
}

}  // namespace

v1::DataType ToWire(DataType type) { return WireOf<v1::DataType>(type); }

v1::Tensor ToWire(const DoubleTensor& tensor, DataType type, v1::Layout layout) {
  const Shape& shape = tensor.shape;
  const bool heads_first = layout != v1::LAYOUT_BATCH_LENGTH_HEADS_DIM;
  v1::Tensor wire;
  wire.set_data_type(ToWire(type));
  for (const int64_t size : {shape.batch_size, heads_first ? shape.num_heads : shape.length,
                             heads_first ? shape.length : shape.num_heads, shape.dim}) {
    wire.add_shape(size);
  }
  StridedTensor bytes(shape, type, StridesOf(shape, layout));
  bytes.Fill(tensor);
  wire.set_data(bytes.view().data, shape.num_elements() * SizeOf(type));
  return wire;
}

v1::AttendRequest ToRequest(const AttentionCase& attention_case, const WireForm& form) {
  v1::AttendRequest request;
  *request.mutable_queries() = ToWire(attention_case.queries, form.type, form.layout);
  *request.mutable_keys() = ToWire(attention_case.keys, form.type, form.layout);
  *request.mutable_values() = ToWire(attention_case.values, form.type, form.layout);
  for (const int64_t length : attention_case.query_lengths) request.add_query_lengths(length);
  for (const int64_t length : attention_case.key_lengths) request.add_key_lengths(length);
  request.set_output_type(form.output_type);

  v1::AttentionSpec* spec = request.mutable_spec();
  spec->set_layout(form.layout);
  spec->set_causal(attention_case.spec.causal);
  if (attention_case.spec.scale) spec->set_scale(*attention_case.spec.scale);
  if (attention_case.spec.mode == AttentionMode::kExact) {
    spec->mutable_exact();
  } else {
    WriteFeatures(attention_case, spec->mutable_features());
  }
  return request;
}

DoubleTensor FromWire(const v1::Tensor& wire, v1::Layout layout) {
  const bool heads_first = layout != v1::LAYOUT_BATCH_LENGTH_HEADS_DIM;
  const Shape shape = {wire.shape(0), wire.shape(heads_first ? 1 : 2), wire.shape(heads_first ? 2 : 1), wire.shape(3)};
  const auto type = static_cast<DataType>(static_cast<int>(wire.data_type()) - 1);
  return Decode(
      TensorView{reinterpret_cast<const std::byte*>(wire.data().data()), type, shape, StridesOf(shape, layout)});
}

AttentionCase Rounded(AttentionCase attention_case, DataType type) {
  for (DoubleTensor* tensor : {&attention_case.queries, &attention_case.keys, &attention_case.values}) {
    for (double& value : tensor->values) value = RoundTo(type, value);
  }
  return attention_case;
}

v1::AttendRequest GoodRequest() {
  const AttentionShape shape = {.batch_size = 2,
                                .num_heads = 2,
                                .num_key_heads = 2,
                                .query_length = 5,
                                .key_length = 5,
                                .head_dim = 8,
                                .value_dim = 4};
  return ToRequest(GaussianCase({}, shape, nullptr, 1));
}

v1::AttendRequest LongRequest(int64_t length) {
  // 8 heads of length x length scores, 128 flops each; 640 bytes a token.
  const AttentionShape shape = {.batch_size = 1,
                                .num_heads = 8,
                                .num_key_heads = 1,
                                .query_length = length,
                                .key_length = length,
                                .head_dim = 32,
                                .value_dim = 32};
  AttentionSpec spec;
  spec.mode = AttentionMode::kExact;
  AttentionCase attention_case;
  attention_case.spec = spec;
  attention_case.queries = DoubleTensor(shape.queries());
  attention_case.keys = DoubleTensor(shape.keys());
  attention_case.values = DoubleTensor(shape.values());
  return ToRequest(attention_case, {.type = DataType::kBFloat16, .output_type = v1::DATA_TYPE_BF16});
}

}  // namespace favor::testing
