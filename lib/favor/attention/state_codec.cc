#include "favor/attention/state_codec.h"

#include <bit>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "favor/attention/state_payload.h"
#include "favor/attention/state_phases.h"
#include "favor/base/hash128.h"
#include "favor/feature_map/feature_spec.h"

namespace favor {
namespace {

using internal::HeadLayout;

absl::Status Within(absl::string_view name, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(name, " is ", value, ", must be from ", low, " to ", high));
}

bool IsEncoding(StateEncoding encoding) {
  return encoding >= StateEncoding::kFloat32Compensated && encoding <= StateEncoding::kBFloat16;
}

// The codes below are part of the format: docs/attention_state.md.
uint8_t CodeOf(Kernel kernel) {
  switch (kernel) {
    case Kernel::kSoftmax:
      return 1;
    case Kernel::kGaussian:
      return 2;
    case Kernel::kSoftmaxRegularized:
      return 3;
    case Kernel::kGeneralized:
      return 4;
    case Kernel::kEluPlusOne:
      return 5;
    case Kernel::kNoProjection:
      return 6;
    case Kernel::kTaylor2:
      return 7;
    case Kernel::kPolynomial2:
      return 8;
  }
  return 0;
}

uint8_t CodeOf(Estimator estimator) {
  switch (estimator) {
    case Estimator::kPositive:
      return 1;
    case Estimator::kHyperbolic:
      return 2;
    case Estimator::kTrigonometric:
      return 3;
    case Estimator::kOprf:
      return 4;
    case Estimator::kSderf:
      return 5;
    case Estimator::kSaderf:
      return 6;
    case Estimator::kAnchors:
      return 0;  // has no state
  }
  return 0;
}

// The estimator, and what stands in front of it.
uint8_t EstimatorByte(const FeatureSpec& spec) {
  if (!UsesEstimator(spec.kernel)) return 0;
  return CodeOf(spec.estimator) + (spec.antithetic ? 64 : 0) + (spec.precondition ? 128 : 0);
}

uint8_t CodeOf(const FeatureSpec& spec, Nonlinearity nonlinearity) {
  if (spec.kernel != Kernel::kGeneralized) return 0;
  switch (nonlinearity) {
    case Nonlinearity::kRelu:
      return 1;
    case Nonlinearity::kSquaredRelu:
      return 2;
    case Nonlinearity::kExp:
      return 3;
    case Nonlinearity::kAbs:
      return 4;
    case Nonlinearity::kGelu:
      return 5;
    case Nonlinearity::kSigmoid:
      return 6;
    case Nonlinearity::kGeluTanh:
      return 7;
    case Nonlinearity::kSilu:
      return 8;
    case Nonlinearity::kSoftplus:
      return 9;
    case Nonlinearity::kLeakyRelu:
      return 10;
  }
  return 0;
}

uint8_t CodeOf(const std::optional<EpsilonParity>& parity) {
  if (!parity.has_value()) return 0;
  return parity->prefix_stabiliser ? 2 : 1;
}

void AddDouble(double value, FieldHasher* hasher) { hasher->AddUint64(std::bit_cast<uint64_t>(value)); }

// Everything that the checksum covers in front of the payload.
FieldHasher StartChecksum(const StateHeader& header, int64_t payload_bytes) {
  const StateDescription& description = header.description;
  const AttentionSpec spec = CanonicalSpec(description.spec, description.sizes.head_dim);
  const FeatureSpec& features = spec.features;
  FieldHasher hasher;
  hasher.AddBytes("favorsta").AddUint32(header.version);
  hasher.AddUint8(static_cast<uint8_t>(header.encoding)).AddUint8(header.layout);
  hasher.AddUint8(spec.causal ? 1 : 0).AddUint8(spec.precision == Precision::kBFloat16 ? 2 : 1);
  hasher.AddUint8(CodeOf(features.kernel)).AddUint8(EstimatorByte(features));
  hasher.AddUint8(CodeOf(features, features.nonlinearity)).AddUint8(CodeOf(features.epsilon_parity));
  const EpsilonParity parity = features.epsilon_parity.value_or(EpsilonParity{0, 0});
  AddDouble(*spec.scale, &hasher);
  AddDouble(features.kernel == Kernel::kPolynomial2 ? features.polynomial_offset : 0, &hasher);
  AddDouble(parity.feature_epsilon, &hasher);
  AddDouble(parity.causal_epsilon, &hasher);
  const StateSizes& sizes = description.sizes;
  for (const int64_t size :
       {sizes.batch_size, sizes.num_key_heads, sizes.head_dim, sizes.value_dim, description.num_features}) {
    hasher.AddUint64(size);
  }
  hasher.AddUint64(header.num_keys.size());
  for (const int64_t num_keys : header.num_keys) hasher.AddUint64(num_keys);
  hasher.AddUint64(description.projection_id.size()).AddBytes(description.projection_id);
  hasher.AddUint64(payload_bytes);
  return hasher;
}

// "state of sequence 1, head 0".
internal::NameOfHead NameOfHeads(const StateDescription& description) {
  return [heads = description.sizes.num_key_heads](int64_t index) {
    return absl::StrCat("state of sequence ", index / heads, ", head ", index % heads);
  };
}

Phase ChecksumPhase(const StateHeader* header, absl::string_view payload, const Cancellation* cancellation,
                    std::function<absl::Status(uint64_t)> done) {
  return internal::HashPhase([=] { return StartChecksum(*header, payload.size()); }, payload, cancellation,
                             std::move(done));
}

}  // namespace

absl::StatusOr<int64_t> StatePayloadBytes(const StateDescription& description, StateEncoding encoding) {
  const StateSizes& sizes = description.sizes;
  constexpr int64_t kMaxAxis = int64_t{1} << 40;
  absl::Status status = Within("state.batch_size", sizes.batch_size, 1, kMaxAxis);
  status.Update(Within("state.num_heads", sizes.num_key_heads, 1, kMaxAxis));
  status.Update(Within("state.head_dim", sizes.head_dim, 1, kMaxHeadDim));
  status.Update(Within("state.value_dim", sizes.value_dim, 1, kMaxValueDim));
  status.Update(Within("state.num_features", description.num_features, 1, kMaxNumFeatures));
  if (!status.ok()) return status;
  const int64_t head = HeadLayout(description.num_features, sizes.value_dim, encoding).size();
  int64_t bytes;
  if (__builtin_mul_overflow(sizes.batch_size, sizes.num_key_heads, &bytes) ||
      __builtin_mul_overflow(bytes, head, &bytes)) {
    return absl::InvalidArgumentError(absl::StrCat("state.batch_size is ", sizes.batch_size, ", state.num_heads is ",
                                                   sizes.num_key_heads, ": more bytes than can be counted"));
  }
  return bytes;
}

uint64_t StateChecksum(const StateHeader& header, absl::string_view payload) {
  return StartChecksum(header, payload.size()).AddBytes(payload).Digest64();
}

absl::Status CheckStateHeader(const StateHeader& header, int64_t payload_bytes) {
  if (header.version != kStateVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("state.version is ", header.version, ", must be ", kStateVersion));
  }
  if (!IsEncoding(header.encoding)) {
    return absl::InvalidArgumentError(
        absl::StrCat("state.encoding is ", static_cast<int>(header.encoding), ", must be from 1 to 3"));
  }
  const absl::StatusOr<int64_t> wanted_bytes = StatePayloadBytes(header.description, header.encoding);
  if (!wanted_bytes.ok()) return wanted_bytes.status();
  if (payload_bytes != *wanted_bytes) {
    return absl::InvalidArgumentError(absl::StrCat("state.payload has ", payload_bytes,
                                                   " bytes, must have as many as the sizes ask for: ", *wanted_bytes));
  }
  const size_t id_size = header.description.projection_id.size();
  if (id_size != 0 && id_size != 32) {
    return absl::InvalidArgumentError(
        absl::StrCat("state.projection_id has ", id_size, " characters, must have 32, or none without a projection"));
  }
  const int64_t batch_size = header.description.sizes.batch_size, num_counts = header.num_keys.size();
  if (num_counts != batch_size) {
    return absl::InvalidArgumentError(
        absl::StrCat("state.num_keys has ", num_counts, " entries, state.batch_size is ", batch_size));
  }
  for (int64_t i = 0; i < num_counts; ++i) {
    absl::Status status = Within(absl::StrCat("state.num_keys[", i, "]"), header.num_keys[i], 0, kMaxStateKeys);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<Job> PlanEncodeState(const AttentionState& state, StateEncoding encoding, uint8_t layout,
                                    const Cancellation* cancellation, StateHeader* header, absl::Span<char> payload) {
  if (!state.usable()) return absl::FailedPreconditionError("the state is not usable");
  const StateDescription& description = state.description();
  *header = {kStateVersion, description, layout, {}, encoding, 0};
  for (int64_t i = 0; i < description.sizes.batch_size; ++i) header->num_keys.push_back(state.num_keys(i));
  if (absl::Status status = CheckStateHeader(*header, payload.size()); !status.ok()) return status;

  Job job;
  job.phases.push_back(
      internal::PutHeadsPhase(&state, encoding, NameOfHeads(description), cancellation, payload.data()));
  job.phases.push_back(
      ChecksumPhase(header, {payload.data(), payload.size()}, cancellation, [header](uint64_t checksum) {
        header->checksum = checksum;
        return absl::OkStatus();
      }));
  return job;
}

absl::StatusOr<Job> PlanDecodeState(const StateHeader& header, absl::string_view payload,
                                    const Cancellation* cancellation, AttentionState* state) {
  absl::Status status = CheckStateHeader(header, payload.size());
  status.Update(CheckSameDescription("state", header.description, state->description()));
  if (!status.ok()) return status;

  Job job;
  job.phases.push_back(
      ChecksumPhase(&header, payload, cancellation, [header = &header](uint64_t checksum) -> absl::Status {
        if (checksum == header->checksum) return absl::OkStatus();
        return absl::DataLossError(
            absl::StrCat("state.checksum is ", header->checksum, ", that of the state's other fields is ", checksum));
      }));
  job.phases.push_back(internal::TakeHeadsPhase(
      payload.data(), header.encoding, [header = &header](int64_t sequence) { return header->num_keys[sequence]; },
      NameOfHeads(state->description()), cancellation, state));
  return internal::UsableAfter(std::move(job), state);
}

}  // namespace favor
