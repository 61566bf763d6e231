// Any bytes are an attention state or an error; what is taken for a state reads, merges and goes on, its outputs
// finite, and comes back from lossless bytes the same.
//
// Ten bytes make the header, the rest is the payload.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "favor/attention/attention_state.h"
#include "favor/attention/attention_stream.h"
#include "favor/attention/state_codec.h"

namespace favor {
namespace {

constexpr size_t kHeaderBytes = 10;

void Check(bool holds) {
  if (!holds) std::abort();
}

// Null where the kernel takes none or head_dim is out of bounds.
std::shared_ptr<const Projection> ProjectionOf(Kernel kernel, int64_t head_dim) {
  if (ProjectionUseOf({.kernel = kernel}) == ProjectionUse::kNone || head_dim < 1) return nullptr;
  ProjectionSpec spec;
  spec.num_features = 2;
  spec.head_dim = head_dim;
  return *DrawProjection(spec);
}

StateHeader ReadHeader(const uint8_t* bytes) {
  StateHeader header;
  AttentionSpec& spec = header.description.spec;
  spec.features.kernel = static_cast<Kernel>(bytes[0] % 8);
  spec.features.estimator = static_cast<Estimator>(bytes[1] % 3);
  spec.causal = (bytes[1] & 4) != 0;
  if ((bytes[1] & 8) != 0) spec.features.epsilon_parity = EpsilonParity{};
  header.encoding = static_cast<StateEncoding>(bytes[2]);
  header.version = bytes[3];
  header.description.sizes = {bytes[4] % 4, bytes[5] % 4, bytes[6] % 8, bytes[7] % 8};
  header.description.num_features = bytes[8];
  for (int64_t i = 0; i < header.description.sizes.batch_size; ++i) header.num_keys.push_back(bytes[9] >> i & 1);
  return header;
}

void Use(AttentionState state) {
  const StateSizes& sizes = state.description().sizes;
  const int64_t length = 50;  // more than a tile
  const Shape keys_shape{sizes.batch_size, sizes.num_key_heads, length, sizes.head_dim};
  const Shape values_shape{sizes.batch_size, sizes.num_key_heads, length, sizes.value_dim};
  std::vector<float> keys(keys_shape.num_elements()), values(values_shape.num_elements(), 0.5f), output(values.size());
  for (size_t i = 0; i < keys.size(); ++i) keys[i] = static_cast<float>(i % 7) - 3;
  AttentionInputs inputs;
  inputs.queries = inputs.keys = DenseView(std::as_const(keys).data(), keys_shape);
  inputs.values = DenseView(std::as_const(values).data(), values_shape);
  const MutableTensorView out = DenseView(output.data(), values_shape);
  Check(RunInline(*PlanRead(inputs, state, out, nullptr, nullptr)).ok());
  absl::StatusOr<AttentionState> other = AttentionState::Create(state.description(), state.projection());
  Check(RunInline(*PlanFold(inputs, nullptr, &*other)).ok());
  Check(RunInline(*PlanMerge(*other, nullptr, &state)).ok());
  absl::StatusOr<Job> job = state.description().spec.causal ? PlanCausalChunk(inputs, out, nullptr, nullptr, &state)
                                                            : PlanFold(inputs, nullptr, &state);
  Check(RunInline(*job).ok());
  for (const float value : output) Check(std::isfinite(value));
}

void Run(StateHeader header, absl::string_view payload) {
  const absl::Status checked = CheckStateHeader(header, payload.size());
  const Kernel kernel = header.description.spec.features.kernel;
  const auto projection = ProjectionOf(kernel, header.description.sizes.head_dim);
  const absl::StatusOr<StateDescription> description =
      DescribeState(header.description.spec, header.description.sizes, projection);
  if (!description.ok()) return Check(!description.status().message().empty());
  header.description.projection_id = description->projection_id;
  absl::StatusOr<AttentionState> state = AttentionState::Create(*description, projection);
  Check(state.ok());
  header.checksum = StateChecksum(header, payload);
  absl::StatusOr<Job> job = PlanDecodeState(header, payload, nullptr, &*state);
  Check(checked.ok() || !job.ok());
  if (!job.ok()) return Check(!job.status().message().empty());
  const absl::Status decoded = RunInline(*job);
  Check(decoded.ok() == state->usable());
  if (!decoded.ok()) return Check(!decoded.message().empty());

  StateHeader again;
  std::string bytes(*StatePayloadBytes(*description, header.encoding), '\0');
  absl::StatusOr<Job> encode = PlanEncodeState(*state, header.encoding, header.layout, nullptr, &again,
                                               absl::MakeSpan(bytes.data(), bytes.size()));
  Check(encode.ok() && RunInline(*encode).ok());
  Check(bytes == payload && again.checksum == header.checksum);
  Use(*std::move(state));
}

}  // namespace
}  // namespace favor

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < favor::kHeaderBytes) return 0;
  const absl::string_view payload(reinterpret_cast<const char*>(data) + favor::kHeaderBytes,
                                  size - favor::kHeaderBytes);
  favor::Run(favor::ReadHeader(data), payload);
  return 0;
}
