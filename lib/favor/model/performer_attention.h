#ifndef FAVOR_MODEL_PERFORMER_ATTENTION_H_
#define FAVOR_MODEL_PERFORMER_ATTENTION_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "favor/base/cancellation.h"
#include "favor/base/job.h"
#include "favor/model/performer_batch.h"
#include "favor/model/performer_config.h"
#include "favor/model/performer_layer.h"

namespace favor {

// How the features of the layers make attention.
AttentionSpec PerformerAttentionSpec(const PerformerConfig& config);

// The attention of one layer, from batch.queries_keys_values to batch.context: linear attention of the global heads,
// which are the first ones, and beside it exact attention within windows of the local heads. A window's queries see the
// keys of their own window, the one before it and, unless causal, the one behind it.
absl::StatusOr<Job> PlanPerformerAttention(const PerformerConfig& config, const PerformerLayer& layer,
                                           const PerformerBatch& batch, const Cancellation* cancellation);

// Scratch bytes of such a job.
int64_t PerformerAttentionBytes(const PerformerConfig& config, const PerformerLayer& layer, const PerformerBatch& batch,
                                int num_threads);

}  // namespace favor

#endif  // FAVOR_MODEL_PERFORMER_ATTENTION_H_
