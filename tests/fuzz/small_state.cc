#include "tests/fuzz/small_state.h"

#include <algorithm>
#include <string>

#include "favor/attention/attention_stream.h"
#include "favor/attention/state_codec.h"
#include "server/convert/spec_conversion.h"
#include "server/convert/state_conversion.h"
#include "tests/fuzz/patched_bytes.h"

namespace favor::testing {
namespace {

// A payload of a good state with this spec and these sizes.
absl::StatusOr<std::string> GoodPayload(const v1::AttentionState& wire, const SpecWork& work, AttentionState* state) {
  const Tokens tokens(state->description().sizes);
  AttentionInputs inputs = tokens.Inputs();
  std::vector<int64_t> lengths(wire.num_keys().begin(), wire.num_keys().end());
  for (int64_t& length : lengths) length = std::clamp<int64_t>(length, 0, tokens.keys_shape.length);
  inputs.key_lengths = lengths;
  const absl::StatusOr<Job> fold = PlanFold(inputs, nullptr, state);
  if (!fold.ok()) return fold.status();
  if (absl::Status status = RunInline(*fold); !status.ok()) return status;
  const absl::StatusOr<StateEncoding> encoding = ReadStateEncoding(wire.encoding(), "encoding");
  if (!encoding.ok()) return encoding.status();
  std::string payload(*StatePayloadBytes(state->description(), *encoding), '\0');
  StateHeader header;
  const absl::StatusOr<Job> encode =
      PlanEncodeState(*state, *encoding, LayoutCode(work.axis_order), nullptr, &header, absl::MakeSpan(payload));
  if (!encode.ok()) return encode.status();
  if (absl::Status status = RunInline(*encode); !status.ok()) return status;
  return payload;
}

// From 1 to `bound`; what is there already stays.
int64_t Small(int64_t size, int64_t bound) {
  return 1 + static_cast<int64_t>((static_cast<uint64_t>(size) - 1) % static_cast<uint64_t>(bound));
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Projection>> SmallProjection(const SpecWork& work) {
  constexpr int64_t kMaxElements = 1 << 12;
  if (!work.drawn_projection) return work.supplied_projection;
  const ProjectionSpec& spec = *work.drawn_projection;
  if (spec.num_features * spec.head_dim > kMaxElements) return absl::ResourceExhaustedError("a large projection");
  return DrawProjection(spec);
}

absl::StatusOr<AttentionState> SmallState(const StateDescription& description,
                                          const std::shared_ptr<const Projection>& projection) {
  constexpr int64_t kMaxBytes = 1 << 20;
  if (AttentionState::Bytes(description) > kMaxBytes) return absl::ResourceExhaustedError("a large state");
  return AttentionState::Create(description, projection);
}

absl::StatusOr<AttentionState> SmallState(const SpecWork& work, const StateSizes& sizes) {
  const auto projection = SmallProjection(work);
  if (!projection.ok()) return projection.status();
  const absl::StatusOr<StateDescription> description = DescribeState(work.spec, sizes, *projection);
  return description.ok() ? SmallState(*description, *projection) : description.status();
}

Tokens::Tokens(const StateSizes& sizes) {
  const int64_t heads = sizes.batch_size * sizes.num_key_heads;
  constexpr int64_t kMoreThanATile = 50, kMaxElements = 1 << 16;
  const int64_t length =
      std::clamp<int64_t>(kMaxElements / (heads * (sizes.head_dim + sizes.value_dim)), 1, kMoreThanATile);
  keys_shape = {sizes.batch_size, sizes.num_key_heads, length, sizes.head_dim};
  values_shape = {sizes.batch_size, sizes.num_key_heads, length, sizes.value_dim};
  keys.resize(keys_shape.num_elements());
  for (size_t i = 0; i < keys.size(); ++i) keys[i] = static_cast<float>(i % 7) - 3;
  values.assign(values_shape.num_elements(), 0.5f);
  output.resize(values.size());
}

AttentionInputs Tokens::Inputs() const {
  AttentionInputs inputs;
  inputs.queries = inputs.keys = DenseView(keys.data(), keys_shape);
  inputs.values = DenseView(values.data(), values_shape);
  return inputs;
}

void PutRight(v1::AttentionState* wire) {
  wire->set_version(kStateVersion);
  wire->set_batch_size(Small(wire->batch_size(), 3));
  wire->set_num_heads(Small(wire->num_heads(), 3));
  wire->set_head_dim(Small(wire->head_dim(), 9));
  wire->set_value_dim(Small(wire->value_dim(), 9));
  wire->mutable_num_keys()->Resize(static_cast<int>(wire->batch_size()), 7);
  SpecWork work;
  LiftedData no_matrix;
  if (!ReadSpec(wire->spec(), {wire->head_dim(), wire->num_heads()}, &no_matrix, &work).ok()) return;
  SettleForState(&work.spec);
  const StateSizes sizes{wire->batch_size(), wire->num_heads(), wire->head_dim(), wire->value_dim()};
  absl::StatusOr<AttentionState> state = SmallState(work, sizes);
  if (!state.ok()) return;
  const absl::StatusOr<std::string> payload = GoodPayload(*wire, work, &*state);
  if (!payload.ok()) return;
  wire->set_num_features(state->description().num_features);
  wire->set_projection_id(state->description().projection_id);
  wire->set_payload(Patched(*payload, wire->payload()));
}

}  // namespace favor::testing
