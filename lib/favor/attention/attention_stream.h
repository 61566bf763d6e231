#ifndef FAVOR_ATTENTION_ATTENTION_STREAM_H_
#define FAVOR_ATTENTION_ATTENTION_STREAM_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "favor/attention/attention.h"
#include "favor/attention/attention_state.h"
#include "favor/base/cancellation.h"
#include "favor/base/job.h"

namespace favor {

// Attention piece by piece: what PlanAttention computes of whole sequences, at constant memory, with an AttentionState
// between the pieces. For any way of cutting, and of merging, the outputs are those of the whole up to rounding:
//
//   bidirectional   PlanFold for every piece of the keys, PlanMerge for states of disjoint pieces, then PlanRead
//   causal          PlanCausalChunk for every piece; what came before it may have been folded and merged too
//
// The same pieces of the same shapes in the same order give the same bits, whatever the number of threads, and also
// when the state is encoded without loss and decoded between two pieces.
//
// Inputs are AttentionInputs as PlanAttention takes them; the spec and the projection are the state's, so
// inputs.projection must be null. Inputs, output, the memory behind them, the state, `cancellation` (may be null) and
// `report` (may be null) must outlive the job. A job that changes a state must be its only user; jobs that only read
// it may run at once.
//
// InvalidArgumentError, naming field, value and bound, for shapes that do not fit the state or each other;
// FailedPreconditionError for a state that is not usable(); NaN or infinity in a row that is read ends the job with
// InvalidArgumentError naming tensor and position. Cancellation is checked before every tile. Where a job that changes
// a state does not end OK, the state is not usable() any more.

// Adds keys to the state. Of the inputs it takes keys [batch, key_heads, key_length, head_dim], values [batch,
// key_heads, key_length, value_dim] and key_lengths.
absl::StatusOr<Job> PlanFold(const AttentionInputs& inputs, const Cancellation* cancellation, AttentionState* state);

// Outputs [batch, heads, query_length, value_dim] of queries that see every key in the state. Of the inputs it takes
// queries [batch, heads, query_length, head_dim], key_heads dividing heads, and query_lengths. Where the state is that
// of causal attention, this is the output of a query behind its last key.
absl::StatusOr<Job> PlanRead(const AttentionInputs& inputs, const AttentionState& state,
                             const MutableTensorView& output, const Cancellation* cancellation,
                             AttentionReport* report);

// Outputs of the next tokens of causal sequences, whose queries see every key in the state, then those of the chunk up
// to their own position; and adds the chunk's keys to the state. The state's spec must be causal.
absl::StatusOr<Job> PlanCausalChunk(const AttentionInputs& inputs, const MutableTensorView& output,
                                    const Cancellation* cancellation, AttentionReport* report, AttentionState* state);

// Adds the keys that `from` has to those of `into`. FailedPreconditionError where the two differ in what they belong
// to, see CheckSameDescription. `from` is not changed and may not be `into`.
//
// Bit for bit commutative, and an empty state is neutral: compensation terms, maxima and counts included. Associative
// to rounding: h merges change sum - compensation by 5 h 2^-48 of its terms' magnitudes (docs/attention_state.md).
absl::StatusOr<Job> PlanMerge(const AttentionState& from, const Cancellation* cancellation, AttentionState* into);

// Upper bounds of the scratch memory, in bytes, that the planned jobs hold at once on a pool of num_threads threads.
// The inputs must be valid for them; the rows themselves are not looked at. A merge needs none.
int64_t FoldScratchBytes(const AttentionInputs& inputs, const AttentionState& state, int num_threads);
int64_t ReadScratchBytes(const AttentionInputs& inputs, const AttentionState& state, int num_threads);
int64_t CausalChunkScratchBytes(const AttentionInputs& inputs, const AttentionState& state, int num_threads);

}  // namespace favor

#endif  // FAVOR_ATTENTION_ATTENTION_STREAM_H_
