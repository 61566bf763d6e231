#include "favor/model/performer_attention.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "favor/attention/attention_stream.h"

namespace favor {
namespace {

AttentionSpec LocalSpec(const PerformerConfig& config) {
  AttentionSpec spec;
  spec.mode = AttentionMode::kExact;
  spec.causal = config.causal;
  return spec;
}

// Heads [first, first + count) of rows of one sequence: queries [query_begin, query_end) see keys [key_begin, key_end).
AttentionOperands Call(const PerformerConfig& config, const PerformerBatch& batch, int64_t sequence, int64_t first,
                       int64_t count, std::pair<int64_t, int64_t> queries, std::pair<int64_t, int64_t> keys) {
  const int64_t row = batch.rows.first_rows[sequence];
  const auto view = [&](const PackedHeads& heads, std::pair<int64_t, int64_t> range, int64_t begin) {
    return heads.View(begin + first, count, row + range.first, range.second - range.first);
  };
  AttentionOperands call;
  call.inputs.queries = view(batch.queries_keys_values, queries, 0);
  call.inputs.keys = view(batch.queries_keys_values, keys, config.num_heads);
  call.inputs.values = view(batch.queries_keys_values, keys, 2 * config.num_heads);
  call.output = view(batch.context, queries, 0);
  return call;
}

std::vector<AttentionOperands> GlobalCalls(const PerformerConfig& config, const PerformerLayer& layer,
                                           const PerformerBatch& batch) {
  const int64_t num_heads = config.num_heads - layer.num_local_heads;
  std::vector<AttentionOperands> calls;
  if (num_heads == 0) return calls;
  for (size_t s = 0; s < batch.rows.lengths.size(); ++s) {
    const std::pair<int64_t, int64_t> whole = {0, batch.rows.lengths[s]};
    calls.push_back(Call(config, batch, s, 0, num_heads, whole, whole));
    calls.back().inputs.projection = layer.projection;
  }
  return calls;
}

// The next tokens of the one sequence of a batch; the projection is the state's.
AttentionOperands ChunkCall(const PerformerConfig& config, const PerformerLayer& layer, const PerformerBatch& batch) {
  AttentionOperands call = GlobalCalls(config, layer, batch).front();
  call.inputs.projection = nullptr;
  return call;
}

std::vector<AttentionOperands> LocalCalls(const PerformerConfig& config, const PerformerLayer& layer,
                                          const PerformerBatch& batch) {
  const int64_t num_heads = layer.num_local_heads, window = config.local_window;
  std::vector<AttentionOperands> calls;
  if (num_heads == 0) return calls;
  for (size_t s = 0; s < batch.rows.lengths.size(); ++s) {
    const int64_t length = batch.rows.lengths[s], num_keys = batch.rows.padded_lengths[s];
    for (int64_t begin = 0; begin < length; begin += window) {
      const int64_t end = std::min(begin + window, length), first_key = std::max<int64_t>(0, begin - window);
      const int64_t last_key = config.causal ? end : std::min(begin + 2 * window, num_keys);
      calls.push_back(
          Call(config, batch, s, config.num_heads - num_heads, num_heads, {begin, end}, {first_key, last_key}));
      if (config.causal) calls.back().inputs.num_earlier_keys = begin - first_key;
    }
  }
  return calls;
}

}  // namespace

AttentionSpec PerformerAttentionSpec(const PerformerConfig& config) {
  AttentionSpec spec;
  spec.causal = config.causal;
  spec.features = config.features;
  return spec;
}

absl::StatusOr<StateDescription> DescribePerformerState(const PerformerConfig& config, const PerformerLayer& layer) {
  if (!config.causal) {
    return absl::InvalidArgumentError("causal is false in its config.json: every vector depends on later tokens too");
  }
  if (layer.num_local_heads > 0) {
    return absl::InvalidArgumentError(absl::StrCat("local_attn_heads is ", layer.num_local_heads, " in layer ",
                                                   layer.index, " of its config.json: local heads have no state"));
  }
  AttentionSpec spec = PerformerAttentionSpec(config);
  spec.features.epsilon_parity->prefix_stabiliser = true;
  return DescribeState(spec, {1, config.num_heads, config.head_dim, config.head_dim}, layer.projection);
}

absl::StatusOr<Job> PlanPerformerAttention(const PerformerConfig& config, const PerformerLayer& layer,
                                           const PerformerBatch& batch, const Cancellation* cancellation) {
  if (batch.state != nullptr) {
    const AttentionOperands chunk = ChunkCall(config, layer, batch);
    return PlanCausalChunk(chunk.inputs, chunk.output, cancellation, /*report=*/nullptr,
                           &batch.state->layer(layer.index));
  }
  std::vector<Job> jobs;
  const std::pair<AttentionSpec, std::vector<AttentionOperands>> parts[] = {
      {PerformerAttentionSpec(config), GlobalCalls(config, layer, batch)},
      {LocalSpec(config), LocalCalls(config, layer, batch)}};
  for (const auto& [spec, calls] : parts) {
    if (calls.empty()) continue;
    absl::StatusOr<Job> job = PlanAttention(spec, calls, cancellation, /*report=*/nullptr);
    if (!job.ok()) return job.status();
    jobs.push_back(*std::move(job));
  }
  return SideBySide(std::move(jobs));
}

int64_t PerformerAttentionBytes(const PerformerConfig& config, const PerformerLayer& layer, const PerformerBatch& batch,
                                int num_threads) {
  if (batch.state != nullptr) {
    return CausalChunkScratchBytes(ChunkCall(config, layer, batch).inputs, batch.state->layer(layer.index),
                                   num_threads);
  }
  return AttentionScratchBytes(PerformerAttentionSpec(config), GlobalCalls(config, layer, batch), num_threads) +
         AttentionScratchBytes(LocalSpec(config), LocalCalls(config, layer, batch), num_threads);
}

}  // namespace favor
