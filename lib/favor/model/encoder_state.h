#ifndef FAVOR_MODEL_ENCODER_STATE_H_
#define FAVOR_MODEL_ENCODER_STATE_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "favor/attention/attention_state.h"
#include "favor/base/aligned_buffer.h"
#include "favor/projection/projection.h"

namespace favor {

// What stands in one layer of an encoder, in the order in which a token meets them.
enum class Sublayer : uint8_t { kAttention, kFeedForward };

// What all states of an encoder have in common. Encoder::DescribeState() makes it.
struct EncoderStateDescription {
  struct Layer {
    StateDescription attention;                    // of one sequence
    std::shared_ptr<const Projection> projection;  // null where there is none
  };
  std::vector<Layer> layers;
  // Numbers of a token that the next one reads in front of each sublayer: in models that shift tokens, else 0.
  int64_t shifted_dim = 0;
};

// What an encoder remembers of the tokens of one sequence that it takes piece by piece: the attention state of every
// layer, the shifted part of the last token in front of every sublayer, and how many tokens there were. Constant in
// size. Owns its memory. Movable, but not while a job works with it. Thread-compatible.
class EncoderState {
 public:
  // That of a sequence without tokens; all its memory is written to. ResourceExhaustedError when there is no memory.
  static absl::StatusOr<EncoderState> Create(const EncoderStateDescription& description);
  // Memory that such a state takes, in bytes; the projections are the model's.
  static int64_t Bytes(const EncoderStateDescription& description);

  EncoderState(EncoderState&&) = default;
  EncoderState& operator=(EncoderState&&) = default;

  int64_t num_tokens() const { return num_tokens_; }
  // False from the moment that a job is planned which changes the state until it has ended OK.
  bool usable() const { return usable_; }

  // For the library's own use.
  int64_t num_layers() const { return static_cast<int64_t>(layers_.size()); }
  AttentionState& layer(int64_t index) { return layers_[index]; }
  const AttentionState& layer(int64_t index) const { return layers_[index]; }
  int64_t shifted_dim() const { return shifted_dim_; }
  // Of the last token [shifted_dim]; zeros without one.
  const float* shifted(int64_t layer, Sublayer sublayer) const { return Shifted(is_, layer, sublayer); }
  // Where a job that adds tokens puts the same of its own last one, until Commit().
  float* next_shifted(int64_t layer, Sublayer sublayer) { return Shifted(1 - is_, layer, sublayer); }
  // A job that changes the state begins to be planned.
  void Begin() { usable_ = false; }
  // The job has ended OK: the sequence has had so many tokens, and next_shifted() is that of the last.
  void Commit(int64_t num_tokens);

 private:
  EncoderState() = default;
  float* Shifted(int64_t generation, int64_t layer, Sublayer sublayer) const;

  std::vector<AttentionState> layers_;
  int64_t shifted_dim_ = 0;
  AlignedBuffer<float> shifted_;  // [2][num_layers][2 sublayers][shifted_dim]
  int64_t is_ = 0;                // which of the first two
  int64_t num_tokens_ = 0;
  bool usable_ = true;
};

}  // namespace favor

#endif  // FAVOR_MODEL_ENCODER_STATE_H_
