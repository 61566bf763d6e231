#include "server/convert/state_conversion.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "favor/feature_map/statistics.h"
#include "favor/projection/projection.h"
#include "favor/projection/projection_id.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "server/convert/field_error.h"
#include "server/convert/spec_conversion.h"
#include "server/convert/statistics_conversion.h"
#include "server/convert/tensor_conversion.h"

namespace favor {
namespace {

using google::protobuf::io::CodedOutputStream;
using google::protobuf::io::StringOutputStream;

constexpr uint32_t kFixed64 = 1, kLengthDelimited = 2;
constexpr uint32_t Tag(int field_number, uint32_t wire_type) {
  return static_cast<uint32_t>(field_number) << 3 | wire_type;
}

// The spec as it is stored: every default filled in, statistics and a supplied matrix with their entries.
v1::AttentionSpec StoredSpec(const SpecWork& work) {
  v1::AttentionSpec wire = EffectiveSpec(work);
  if (work.spec.precision == Precision::kBFloat16) wire.set_precision(v1::PRECISION_BF16);
  if (work.spec.features.statistics != nullptr) {
    WriteStatistics(*work.spec.features.statistics, wire.mutable_features()->mutable_statistics());
  }
  if (work.supplied_projection == nullptr) return wire;
  const Projection& projection = *work.supplied_projection;
  v1::Tensor* matrix = wire.mutable_features()->mutable_projection()->mutable_matrix();
  matrix->set_data_type(v1::DATA_TYPE_F32);
  if (projection.num_matrices() > 1) matrix->add_shape(projection.num_matrices());
  matrix->add_shape(projection.num_features());
  matrix->add_shape(projection.head_dim());
  for (int64_t i = 0; i < projection.num_matrices(); ++i) {
    const absl::Span<const float> rows = projection.Matrix(i);
    matrix->mutable_data()->append(reinterpret_cast<const char*>(rows.data()), rows.size() * sizeof(float));
  }
  return wire;
}

// Whether the features and the projection's id that a state claims are those that its own spec makes. The checksum
// covers the id, but not how the projection was drawn: a state that was put together of two would pass for either.
absl::Status CheckOwnSpec(const EncodedState& state) {
  if (state.spec.mode != AttentionMode::kFeatures) return absl::OkStatus();  // is refused for that
  const StateDescription& claimed = state.header.description;
  const FeatureSpec features = CanonicalSpec(state.spec, claimed.sizes.head_dim).features;
  int64_t num_rows = 0;
  std::string id;
  if (state.drawn_projection) {
    num_rows = state.drawn_projection->num_features;
    id = internal::DrawnProjectionId(*state.drawn_projection);  // which takes no drawing
  } else if (state.supplied_projection != nullptr) {
    num_rows = state.supplied_projection->num_features();
    id = state.supplied_projection->id();
  }
  if (!id.empty()) id = FeaturesId(id, features.statistics.get());
  const auto contradiction = [&state](const char* field, const auto& is, const auto& made) {
    return absl::FailedPreconditionError(
        absl::StrCat(state.name, ".", field, " is ", is, ", ", state.name, ".spec makes ", made));
  };
  const int64_t num_features = NumFeatures(features, claimed.sizes.head_dim, num_rows);
  if (claimed.num_features != num_features) return contradiction("num_features", claimed.num_features, num_features);
  if (claimed.projection_id == id) return absl::OkStatus();
  const auto quoted = [](const std::string& text) { return absl::StrCat("'", text, "'"); };
  return contradiction("projection_id", quoted(claimed.projection_id), quoted(id));
}

// A state but its payload and its checksum.
v1::AttentionState Fields(const StateHeader& header, const SpecWork& spec) {
  const StateDescription& description = header.description;
  v1::AttentionState wire;
  wire.set_version(header.version);
  *wire.mutable_spec() = StoredSpec(spec);
  wire.set_projection_id(description.projection_id);
  wire.set_batch_size(description.sizes.batch_size);
  wire.set_num_heads(description.sizes.num_key_heads);
  wire.set_head_dim(description.sizes.head_dim);
  wire.set_value_dim(description.sizes.value_dim);
  wire.set_num_features(description.num_features);
  for (const int64_t count : header.num_keys) wire.add_num_keys(count);
  wire.set_encoding(static_cast<v1::AttentionState::Encoding>(header.encoding));  // the same values
  return wire;
}

}  // namespace

uint8_t LayoutCode(AxisOrder order) { return order == AxisOrder::kBatchHeadsLengthDim ? 0 : 1; }

absl::StatusOr<StateEncoding> ReadStateEncoding(v1::AttentionState::Encoding wire, absl::string_view field) {
  switch (wire) {
    case v1::AttentionState::ENCODING_UNSPECIFIED:
    case v1::AttentionState::ENCODING_F32_COMPENSATED:
      return StateEncoding::kFloat32Compensated;
    case v1::AttentionState::ENCODING_F32:
      return StateEncoding::kFloat32;
    case v1::AttentionState::ENCODING_BF16:
      return StateEncoding::kBFloat16;
    default:
      return FieldError(field, absl::StrCat(field, " is ", static_cast<int>(wire), ", which is no Encoding"));
  }
}

absl::StatusOr<EncodedState> ReadState(const v1::AttentionState& wire, LiftedData* data, const std::string& name) {
  EncodedState state;
  state.name = name;
  state.bytes = data->Take(wire.payload());
  StateHeader& header = state.header;
  header.version = wire.version();
  header.checksum = wire.checksum();
  header.num_keys.assign(wire.num_keys().begin(), wire.num_keys().end());
  StateDescription& description = header.description;
  description.projection_id = wire.projection_id();
  description.sizes = {wire.batch_size(), wire.num_heads(), wire.head_dim(), wire.value_dim()};
  description.num_features = wire.num_features();
  const absl::StatusOr<StateEncoding> encoding = ReadStateEncoding(wire.encoding(), absl::StrCat(name, ".encoding"));
  if (!encoding.ok()) return encoding.status();
  header.encoding = *encoding;
  absl::Status status = CheckStateHeader(header, state.bytes.size());
  if (!status.ok()) return AboutState(status, name);

  const absl::StatusOr<AxisOrder> order = ReadLayout(wire.spec().layout());
  if (!order.ok()) return InsideField(order.status(), name);
  state.axis_order = *order;
  header.layout = LayoutCode(*order);
  const SpecSizes sizes{wire.head_dim(), wire.num_heads()};
  if (status = ReadSpec(wire.spec(), sizes, data, &state); !status.ok()) return InsideField(status, name);
  SettleForState(&state.spec);
  description.spec = state.spec;
  if (status = CheckOwnSpec(state); !status.ok()) return status;
  return state;
}

absl::Status AboutState(const absl::Status& status, absl::string_view name) {
  constexpr absl::string_view kState = "state";
  absl::string_view rest = status.message();
  if (!absl::ConsumePrefix(&rest, kState)) return status;
  const std::string message = absl::StrCat(name, rest);
  if (!absl::IsInvalidArgument(status)) return absl::Status(status.code(), message);
  // "state.batch_size is", or "state of sequence 0, head 1", which is in the payload.
  const bool has_path = absl::StartsWith(rest, ".");
  return FieldError(absl::StrCat(name, has_path ? rest.substr(0, rest.find(' ')) : ".payload"), message);
}

absl::StatusOr<StateDescription> DescribeEncoded(const EncodedState& encoded,
                                                 const std::shared_ptr<const Projection>& projection) {
  const StateDescription& claimed = encoded.header.description;
  absl::StatusOr<StateDescription> description = DescribeState(encoded.spec, encoded.sizes(), projection);
  if (!description.ok()) {
    const absl::Status status = AboutStatistics(description.status());
    return InsideField(AboutField(status, "spec"), encoded.name);
  }
  absl::Status same = CheckSameDescription(encoded.name, claimed, *description);
  if (!same.ok()) return same;
  return description;
}

absl::StatusOr<int64_t> MaxStateBytes(const StateDescription& description, StateEncoding encoding,
                                      const SpecWork& spec) {
  constexpr int64_t kMaxFieldBytes = 4096;
  const absl::StatusOr<int64_t> payload_bytes = StatePayloadBytes(description, encoding);
  if (!payload_bytes.ok()) return payload_bytes.status();
  int64_t matrix_bytes = 0;
  if (const Projection* projection = spec.supplied_projection.get()) {
    matrix_bytes = projection->num_matrices() * static_cast<int64_t>(projection->Matrix(0).size() * sizeof(float));
  }
  const Statistics* statistics = spec.spec.features.statistics.get();
  const int64_t statistics_bytes = statistics == nullptr ? 0 : StatisticsBytes(*statistics);
  return kMaxFieldBytes + 10 * description.sizes.batch_size + matrix_bytes + statistics_bytes + *payload_bytes;
}

std::vector<std::string> StateMessage(const StateHeader& header, const SpecWork& spec, std::string payload,
                                      int field_number) {
  std::string before = Fields(header, spec).SerializeAsString(), first, last;
  {
    StringOutputStream stream(&before);  // appends
    CodedOutputStream out(&stream);
    out.WriteTag(Tag(v1::AttentionState::kPayloadFieldNumber, kLengthDelimited));
    out.WriteVarint32(static_cast<uint32_t>(payload.size()));
  }
  {
    StringOutputStream stream(&last);
    CodedOutputStream out(&stream);
    out.WriteTag(Tag(v1::AttentionState::kChecksumFieldNumber, kFixed64));
    out.WriteLittleEndian64(header.checksum);
  }
  {
    StringOutputStream stream(&first);
    CodedOutputStream out(&stream);
    out.WriteTag(Tag(field_number, kLengthDelimited));
    out.WriteVarint32(static_cast<uint32_t>(before.size() + payload.size() + last.size()));
    out.WriteString(before);
  }
  std::vector<std::string> parts;
  parts.push_back(std::move(first));
  parts.push_back(std::move(payload));
  parts.push_back(std::move(last));
  return parts;
}

}  // namespace favor
