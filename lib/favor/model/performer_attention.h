#ifndef FAVOR_MODEL_PERFORMER_ATTENTION_H_
#define FAVOR_MODEL_PERFORMER_ATTENTION_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "favor/attention/attention_state.h"
#include "favor/base/cancellation.h"
#include "favor/base/job.h"
#include "favor/model/performer_batch.h"
#include "favor/model/performer_config.h"
#include "favor/model/performer_layer.h"

namespace favor {

// How the features of the layers make attention.
AttentionSpec PerformerAttentionSpec(const PerformerConfig& config);

// The attention state of one layer, for sequences that are taken piece by piece. There later keys are not known, so the
// key stabiliser of a softmax kernel is the maximum over keys up to the query's own: the one thing that differs from
// the whole sequence. InvalidArgumentError where a layer's attention has no state.
absl::StatusOr<StateDescription> DescribePerformerState(const PerformerConfig& config, const PerformerLayer& layer);

// The attention of one layer, from batch.queries_keys_values to batch.context: linear attention of the global heads,
// which are the first ones, and beside it exact attention within windows of the local heads. A window's queries see the
// keys of their own window, the one before it and, unless causal, the one behind it. With batch.state the queries of
// global heads, and there must be no others, see its keys too, and theirs are added to it.
absl::StatusOr<Job> PlanPerformerAttention(const PerformerConfig& config, const PerformerLayer& layer,
                                           const PerformerBatch& batch, const Cancellation* cancellation);

// Scratch bytes of such a job.
int64_t PerformerAttentionBytes(const PerformerConfig& config, const PerformerLayer& layer, const PerformerBatch& batch,
                                int num_threads);

}  // namespace favor

#endif  // FAVOR_MODEL_PERFORMER_ATTENTION_H_
