#ifndef FAVOR_MODEL_ENCODER_H_
#define FAVOR_MODEL_ENCODER_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "favor/attention/attention.h"
#include "favor/base/cancellation.h"
#include "favor/base/job.h"
#include "favor/model/encoder_state.h"
#include "favor/projection/projection.h"

namespace favor {

// Token ids of several sequences, one after the other without padding.
struct PackedSequences {
  absl::Span<const int32_t> ids;      // all valid for the encoder (Encoder::CheckSequence)
  absl::Span<const int64_t> offsets;  // sequence s is ids[offsets[s]] to ids[offsets[s + 1]]; from 0 to ids.size()

  int64_t num_sequences() const { return static_cast<int64_t>(offsets.size()) - 1; }
  int64_t num_tokens() const { return static_cast<int64_t>(ids.size()); }
};

// The offsets of sequences of these lengths.
std::vector<int64_t> OffsetsOf(absl::Span<const int64_t> lengths);

// Attention other than the model's own.
struct EncoderAttention {
  AttentionSpec spec;
  // Of Encoder::head_dim(), one matrix for all heads; null for exact attention and for maps that take none.
  std::shared_ptr<const Projection> projection;
};

// What the plan of one sequence's attention takes in one layer, at most.
constexpr int64_t kPlanBytes = 1024;

// The layers of a model: token ids in, one vector for each token out. Immutable and thread-safe.
class Encoder {
 public:
  virtual ~Encoder() = default;

  virtual int64_t dimensions() const = 0;       // of a token's vector
  virtual int64_t vocabulary_size() const = 0;  // ids are from 0 to this - 1
  virtual int64_t max_tokens() const = 0;       // of one sequence; 0: any number
  virtual int64_t num_parameters() const = 0;
  virtual int64_t memory_bytes() const = 0;  // of its weights, as they are kept

  virtual int64_t head_dim() const = 0;  // of attention, the same in all layers

  // How attention is computed when Plan() is not told otherwise.
  virtual AttentionSpec attention() const = 0;
  // InvalidArgumentError when the model cannot run with this attention.
  virtual absl::Status CheckAttention(const AttentionSpec& spec) const = 0;
  // InvalidArgumentError, naming position, value and bound, for what Plan() does not take: no tokens, too many, an id
  // outside the vocabulary.
  virtual absl::Status CheckSequence(absl::Span<const int32_t> ids) const;

  // Plans the layers as a Job for a pool. vectors is [num_tokens][dimensions()]. A sequence's vectors do not depend on
  // what else is in the batch beyond rounding, nor on the number of threads at all. All arguments and the encoder must
  // outlive the job; attention may be null: the model's own. ResourceExhaustedError when there is no memory.
  virtual absl::StatusOr<Job> Plan(const PackedSequences& sequences, const EncoderAttention* attention,
                                   const Cancellation* cancellation, float* vectors) const = 0;

  // Upper bound of the memory, in bytes, that a planned job holds besides its arguments, for sequences of these
  // lengths. Subadditive: a batch needs no more than its parts do one by one.
  virtual int64_t ScratchBytes(absl::Span<const int64_t> lengths, const EncoderAttention* attention,
                               int num_threads) const = 0;

  // What the encoder remembers of a sequence that it takes piece by piece. InvalidArgumentError, naming what is in the
  // way, when there is no such thing.
  virtual absl::StatusOr<EncoderStateDescription> DescribeState() const;
  // InvalidArgumentError, naming position, value and bound, for what PlanChunk() does not take: more tokens than the
  // model has positions for or a state can count, an id outside the vocabulary.
  absl::Status CheckChunk(absl::Span<const int32_t> ids, const EncoderState& state) const;
  // Plans the sequence's next tokens, any number of them, behind those that made the state, of this encoder; adds them
  // to it. vectors is [ids.size()][dimensions()]. Up to rounding they are those of the whole sequence in one piece,
  // whatever the pieces; the same pieces give the same bits, on any number of threads, also when the state is encoded
  // and decoded between two of them. All arguments and the encoder must outlive the job, which must be the only user of
  // the state; where it does not end OK, or is not planned OK, the state is not usable() any more.
  // ResourceExhaustedError when there is no memory.
  virtual absl::StatusOr<Job> PlanChunk(absl::Span<const int32_t> ids, const Cancellation* cancellation, float* vectors,
                                        EncoderState* state) const;
  // Upper bound of the memory, in bytes, that such a job of so many tokens holds besides its arguments.
  virtual int64_t ChunkScratchBytes(int64_t num_tokens, const EncoderState& state, int num_threads) const;

 private:
  absl::Status CheckIds(absl::Span<const int32_t> ids) const;
};

}  // namespace favor

#endif  // FAVOR_MODEL_ENCODER_H_
