#include "favor/model/encoder_state.h"

#include <utility>

namespace favor {
namespace {

constexpr int64_t kNumSublayers = 2;

int64_t ShiftedFloats(const EncoderStateDescription& description) {
  return 2 * static_cast<int64_t>(description.layers.size()) * kNumSublayers * description.shifted_dim;
}

}  // namespace

absl::StatusOr<EncoderState> EncoderState::Create(const EncoderStateDescription& description) {
  EncoderState state;
  state.layers_.reserve(description.layers.size());
  for (const EncoderStateDescription::Layer& layer : description.layers) {
    absl::StatusOr<AttentionState> attention = AttentionState::Create(layer.attention, layer.projection);
    if (!attention.ok()) return attention.status();
    state.layers_.push_back(*std::move(attention));
  }
  state.shifted_dim_ = description.shifted_dim;
  auto shifted = AlignedBuffer<float>::AllocateZeroed(ShiftedFloats(description));
  if (!shifted.ok()) return shifted.status();
  state.shifted_ = *std::move(shifted);
  return state;
}

int64_t EncoderState::Bytes(const EncoderStateDescription& description) {
  int64_t bytes = ShiftedFloats(description) * static_cast<int64_t>(sizeof(float));
  for (const EncoderStateDescription::Layer& layer : description.layers) {
    bytes += AttentionState::Bytes(layer.attention) + static_cast<int64_t>(sizeof(AttentionState));
  }
  return bytes;
}

void EncoderState::Commit(int64_t num_tokens) {
  num_tokens_ = num_tokens;
  is_ = 1 - is_;
  usable_ = true;
}

float* EncoderState::Shifted(int64_t generation, int64_t layer, Sublayer sublayer) const {
  auto* data = const_cast<float*>(shifted_.data());  // NOLINT: shifted() and next_shifted() say who writes
  const int64_t index = (generation * num_layers() + layer) * kNumSublayers + static_cast<int64_t>(sublayer);
  return data + index * shifted_dim_;
}

}  // namespace favor
