#ifndef FAVOR_ATTENTION_LINEAR_PLAN_H_
#define FAVOR_ATTENTION_LINEAR_PLAN_H_

#include <cstdint>
#include <memory>

#include "absl/types/span.h"
#include "favor/attention/linear_attention.h"
#include "favor/attention/linear_phases.h"
#include "favor/base/cancellation.h"
#include "favor/base/job.h"

namespace favor::internal {

// Lays the tiles of a call out as a job. Which tiles form a chain or a step depends on shapes alone.
//
// Usually a chain is one key head from its first key to its last output: one state and one workspace per running chain,
// however many heads there are. A bidirectional call with few heads and many keys instead folds each head in several
// segments at once, merges their states by a fixed tree, and reads in parallel; a causal call with few heads goes
// through the sequence in several parts of the features at once (LinearAttention::num_parts).
//
// Calls that are computed side by side may share a pool of workspaces' memory; null: the call has its own.
Job PlanLinearAttention(const LinearCall& call, const Cancellation* cancellation,
                        std::shared_ptr<LinearPool> pool = nullptr);

// Scratch bytes that jobs of these calls, side by side, hold at once on num_threads threads.
int64_t LinearScratchBytes(absl::Span<const LinearAttention> calls, int num_threads);

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_LINEAR_PLAN_H_
