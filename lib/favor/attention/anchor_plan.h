#ifndef FAVOR_ATTENTION_ANCHOR_PLAN_H_
#define FAVOR_ATTENTION_ANCHOR_PLAN_H_

#include <cstdint>
#include <memory>

#include "favor/attention/anchor_attention.h"
#include "favor/base/cancellation.h"
#include "favor/base/job.h"

namespace favor::internal {

using AnchorCall = std::shared_ptr<const AnchorAttention>;

// Lays the tiles of a call out as a job, as PlanLinearAttention does: usually a chain is one key head from its first
// key to its last output; a call with few heads and many keys folds each head in several segments at once, merges their
// states by a fixed tree, and reads in parallel. Which tiles form a chain or a step depends on shapes alone.
Job PlanAnchorAttention(const AnchorCall& call, const Cancellation* cancellation);

// Scratch bytes that the job holds at once on num_threads threads.
int64_t AnchorScratchBytes(const AttentionSpec& spec, const AttentionInputs& inputs, int num_threads);

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_ANCHOR_PLAN_H_
