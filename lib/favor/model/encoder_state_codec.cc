#include "favor/model/encoder_state_codec.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "favor/attention/state_codec.h"
#include "favor/attention/state_phases.h"
#include "favor/base/hash128.h"

namespace favor {
namespace {

constexpr StateEncoding kEncoding = StateEncoding::kFloat32Compensated;
constexpr int64_t kConfigurationBytes = 8;
constexpr Sublayer kSublayers[] = {Sublayer::kAttention, Sublayer::kFeedForward};

// The sizes are a model's own, which have been found good.
int64_t AttentionBytes(const EncoderStateDescription::Layer& layer) {
  return StatePayloadBytes(layer.attention, kEncoding).value_or(0);
}

// Where the parts of a payload lie.
struct Layout {
  explicit Layout(const EncoderStateDescription& description) : shifted_dim(description.shifted_dim) {
    int64_t end = kConfigurationBytes;
    for (const EncoderStateDescription::Layer& layer : description.layers) {
      attention.push_back(end);
      end += AttentionBytes(layer);
    }
    shifted = end;
    size = end + 8 * shifted_dim * static_cast<int64_t>(attention.size());
  }
  int64_t Shifted(int64_t layer, Sublayer sublayer) const {
    return shifted + 4 * shifted_dim * (2 * layer + static_cast<int64_t>(sublayer));
  }

  int64_t shifted_dim;
  std::vector<int64_t> attention;  // of each layer
  int64_t shifted = 0;
  int64_t size = 0;
};

void PutInteger(uint64_t value, int num_bytes, char* bytes) {
  for (int i = 0; i < num_bytes; ++i) bytes[i] = static_cast<char>(value >> (8 * i));
}

uint64_t TakeInteger(const char* bytes, int num_bytes) {
  uint64_t value = 0;
  for (int i = 0; i < num_bytes; ++i) value |= static_cast<uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  return value;
}

// What the weights do not say: how their features make attention. A checksum of an empty attention state of each layer
// covers all of it.
uint64_t ConfigurationId(const EncoderStateDescription& description) {
  FieldHasher hasher;
  for (const EncoderStateDescription::Layer& layer : description.layers) {
    StateHeader header;
    header.description = layer.attention;
    header.num_keys = {0};
    hasher.AddUint64(StateChecksum(header, ""));
  }
  return hasher.AddUint64(description.shifted_dim).Digest64();
}

FieldHasher StartChecksum(const EncoderStateHeader& header, int64_t payload_bytes) {
  FieldHasher hasher;
  hasher.AddBytes("favorenc").AddUint32(header.version);
  hasher.AddUint64(header.model_id.size()).AddBytes(header.model_id);
  hasher.AddUint64(header.num_tokens).AddUint64(payload_bytes);
  return hasher;
}

internal::NameOfHead NameOfHeads(int64_t layer) {
  return [layer](int64_t head) { return absl::StrCat("state of layer ", layer, ", head ", head); };
}

// A phase of one step.
Phase Once(std::function<absl::Status()> run) {
  return {1, 1, [run = std::move(run)](int64_t, int64_t) { return run(); }};
}

void PutShifted(const EncoderState& state, const Layout& layout, char* payload) {
  for (int64_t layer = 0; layer < state.num_layers(); ++layer) {
    for (const Sublayer sublayer : kSublayers) {
      const float* values = state.shifted(layer, sublayer);
      char* bytes = payload + layout.Shifted(layer, sublayer);
      for (int64_t l = 0; l < layout.shifted_dim; ++l) {
        PutInteger(std::bit_cast<uint32_t>(values[l]), 4, bytes + 4 * l);
      }
    }
  }
}

absl::Status TakeShifted(const char* payload, const Layout& layout, int64_t num_tokens, EncoderState* state) {
  for (int64_t layer = 0; layer < state->num_layers(); ++layer) {
    for (const Sublayer sublayer : kSublayers) {
      float* values = state->next_shifted(layer, sublayer);
      const char* bytes = payload + layout.Shifted(layer, sublayer);
      for (int64_t l = 0; l < layout.shifted_dim; ++l) {
        const auto bits = static_cast<uint32_t>(TakeInteger(bytes + 4 * l, 4));
        values[l] = std::bit_cast<float>(bits);
        if (num_tokens > 0 ? std::isfinite(values[l]) : bits == 0) continue;
        return absl::InvalidArgumentError(
            absl::StrCat("state of layer ", layer, ": ",
                         sublayer == Sublayer::kAttention ? "attention" : "feed_forward", ".shifted[", l, "] is ",
                         values[l], num_tokens > 0 ? ", must be finite" : ", must be 0, since there are no tokens"));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

int64_t EncoderStatePayloadBytes(const EncoderStateDescription& description) { return Layout(description).size; }

uint64_t EncoderStateChecksum(const EncoderStateHeader& header, absl::string_view payload) {
  return StartChecksum(header, payload.size()).AddBytes(payload).Digest64();
}

absl::StatusOr<Job> PlanEncode(const EncoderState& state, const EncoderStateDescription& description,
                               absl::string_view model_id, const Cancellation* cancellation, EncoderStateHeader* header,
                               absl::Span<char> payload) {
  if (!state.usable()) return absl::FailedPreconditionError("the state is not usable");
  const Layout layout(description);
  if (static_cast<int64_t>(payload.size()) != layout.size) {
    return absl::InvalidArgumentError(absl::StrCat("payload has ", payload.size(), " bytes, must have ", layout.size));
  }
  *header = {kEncoderStateVersion, std::string(model_id), state.num_tokens(), 0};
  char* bytes = payload.data();
  std::vector<Job> layers(description.layers.size());
  for (int64_t i = 0; i < state.num_layers(); ++i) {
    layers[i].phases = {
        internal::PutHeadsPhase(&state.layer(i), kEncoding, NameOfHeads(i), cancellation, bytes + layout.attention[i])};
  }
  Job job = SideBySide(std::move(layers));
  job.phases.push_back(Once([=, &state, &description] {
    PutInteger(ConfigurationId(description), kConfigurationBytes, bytes);
    PutShifted(state, layout, bytes);
    return absl::OkStatus();
  }));
  const absl::string_view written(payload.data(), payload.size());
  job.phases.push_back(internal::HashPhase([=] { return StartChecksum(*header, written.size()); }, written,
                                           cancellation,
                                           [header](uint64_t checksum) {
                                             header->checksum = checksum;
                                             return absl::OkStatus();
                                           }));
  return job;
}

absl::Status CheckEncoderState(const EncoderStateHeader& header, absl::string_view payload,
                               const EncoderStateDescription& description, absl::string_view model_id,
                               int64_t max_tokens) {
  if (header.version != kEncoderStateVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("state.version is ", header.version, ", must be ", kEncoderStateVersion));
  }
  if (header.model_id != model_id) {
    return absl::FailedPreconditionError(
        absl::StrCat("state.model_id is ", absl::CHexEscape(header.model_id), ", that of the model is ", model_id));
  }
  const int64_t most = max_tokens > 0 ? max_tokens : kMaxStateKeys;
  if (header.num_tokens < 0 || header.num_tokens > most) {
    return absl::InvalidArgumentError(
        absl::StrCat("state.num_tokens is ", header.num_tokens, ", must be from 0 to ", most));
  }
  const int64_t wanted = EncoderStatePayloadBytes(description);
  if (static_cast<int64_t>(payload.size()) == wanted) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("state.payload has ", payload.size(),
                                                 " bytes, must have as many as the states of this model: ", wanted));
}

absl::StatusOr<Job> PlanDecode(const EncoderStateHeader& header, absl::string_view payload,
                               const EncoderStateDescription& description, const Cancellation* cancellation,
                               EncoderState* state) {
  const Layout layout(description);
  if (static_cast<int64_t>(payload.size()) != layout.size) {
    return absl::InternalError("the state was not checked before it is decoded");
  }
  state->Begin();
  const char* bytes = payload.data();
  Job job;
  job.phases.push_back(internal::HashPhase(
      [&header, payload] { return StartChecksum(header, payload.size()); }, payload, cancellation,
      [&header](uint64_t checksum) -> absl::Status {
        if (checksum == header.checksum) return absl::OkStatus();
        return absl::DataLossError(
            absl::StrCat("state.checksum is ", header.checksum, ", that of the state's other fields is ", checksum));
      }));
  job.phases.push_back(Once([bytes, &description]() -> absl::Status {
    if (TakeInteger(bytes, kConfigurationBytes) == ConfigurationId(description)) return absl::OkStatus();
    return absl::FailedPreconditionError(
        "state.payload is that of other attention: the model has the same weights with another configuration");
  }));
  std::vector<Job> layers(description.layers.size());
  for (int64_t i = 0; i < state->num_layers(); ++i) {
    AttentionState* layer = &state->layer(i);
    layers[i].phases = {internal::TakeHeadsPhase(
        bytes + layout.attention[i], kEncoding, [&header](int64_t) { return header.num_tokens; }, NameOfHeads(i),
        cancellation, layer)};
    layers[i] = internal::UsableAfter(std::move(layers[i]), layer);
  }
  Job all = SideBySide(std::move(layers));
  std::move(all.phases.begin(), all.phases.end(), std::back_inserter(job.phases));
  job.phases.push_back(Once([=, &header] {
    absl::Status status = TakeShifted(bytes, layout, header.num_tokens, state);
    if (status.ok()) state->Commit(header.num_tokens);
    return status;
  }));
  return job;
}

}  // namespace favor
