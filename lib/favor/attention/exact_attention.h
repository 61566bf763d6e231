#ifndef FAVOR_ATTENTION_EXACT_ATTENTION_H_
#define FAVOR_ATTENTION_EXACT_ATTENTION_H_

#include <cstdint>

#include "absl/types/span.h"
#include "favor/attention/attention.h"
#include "favor/base/cancellation.h"
#include "favor/base/job.h"

namespace favor::internal {

// Exact softmax attention in one pass over the keys: out_i = sum_j 2^(s_ij - mu_i) v_j / sum_j 2^(s_ij - mu_i) with
// s_ij = log2(e) scale q_i.k_j and mu_i a running maximum (online normalisation). Never holds more than tiles.
// A chain is a few tiles of queries of one head of one call; its steps walk the keys. Inputs have been validated.
Job PlanExactAttention(const AttentionSpec& spec, absl::Span<const AttentionOperands> calls,
                       const Cancellation* cancellation, AttentionReport* report);

// Scratch bytes the job holds at once on num_threads threads.
int64_t ExactScratchBytes(absl::Span<const AttentionOperands> calls, int num_threads);

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_EXACT_ATTENTION_H_
