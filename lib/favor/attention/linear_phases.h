#ifndef FAVOR_ATTENTION_LINEAR_PHASES_H_
#define FAVOR_ATTENTION_LINEAR_PHASES_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "favor/attention/attention_state.h"
#include "favor/attention/chain_workspaces.h"
#include "favor/attention/linear_attention.h"
#include "favor/attention/partial_outputs.h"
#include "favor/base/cancellation.h"
#include "favor/base/job.h"

namespace favor::internal {

// The phases that jobs of linear attention are made of. Where `carried` is null, states are those of the workspaces,
// which start empty; else they are those of `carried`, which go on from what they hold.

using LinearCall = std::shared_ptr<const LinearAttention>;
using LinearPool = WorkspacePool<LinearAttention::Workspace>;
using LinearWorkspaces = ChainWorkspaces<LinearAttention::Workspace>;

// Shapes of a plan. They depend on the call's shapes alone.
struct LinearPartition {
  explicit LinearPartition(const LinearAttention& call);

  int64_t num_states, num_readers;
  int64_t key_tiles;    // of fold_width() keys
  int64_t query_tiles;  // of kTile queries
  int64_t tiles_per_step, fold_tiles_per_step;
  int64_t segments = 1;  // of the keys of one head, folded at once
};

// A workspace for every chain, in memory that chains pass on, those of other calls of the pool too.
std::shared_ptr<LinearWorkspaces> MakeWorkspaces(const LinearCall& call, int64_t num_chains,
                                                 std::shared_ptr<LinearPool> pool = nullptr);

// Causal attention, a chain a key head.
Phase CausalPhase(const LinearCall& call, const LinearPartition& shape, const Cancellation* cancellation,
                  AttentionState* carried, std::shared_ptr<LinearPool> pool = nullptr);

// The same in parts of the features (LinearAttention::num_parts): each part goes through a stretch of the sequence,
// then their contributions are added up, then comes the next stretch.
std::vector<Phase> CausalPartPhases(const LinearCall& call, const LinearPartition& shape,
                                    const Cancellation* cancellation, AttentionState* carried);
// Scratch bytes of those.
int64_t CausalPartBytes(const LinearAttention& call, const LinearPartition& shape);

// Folds all keys of a head, then reads with the queries of every head of its group, if there are any.
Phase WholeHeadPhase(const LinearCall& call, const LinearPartition& shape, const Cancellation* cancellation,
                     AttentionState* carried, std::shared_ptr<LinearPool> pool = nullptr);

// Folds the keys of a head in several segments at once: works holds num_states * segments workspaces, that of a segment
// at state * segments + segment. The first segment goes to the carried state.
Phase FoldSegmentsPhase(const LinearCall& call, const LinearPartition& shape,
                        const std::shared_ptr<LinearWorkspaces>& works, const Cancellation* cancellation,
                        AttentionState* carried);
// Then adds all segments to the first. Lets the workspaces go when the first is a carried state.
Phase MergeSegmentsPhase(const LinearCall& call, const LinearPartition& shape,
                         const std::shared_ptr<LinearWorkspaces>& works, AttentionState* carried);

// Reads, in chains without an order. state_of(index, work, first) is the state to read, finished; `first` in the first
// tile of a chain.
using StateOf = std::function<const HeadState*(int64_t index, LinearAttention::Workspace* work, bool first)>;
Phase ReadersPhase(const LinearCall& call, const LinearPartition& shape, const Cancellation* cancellation,
                   StateOf state_of);
int64_t NumReaderChains(const LinearPartition& shape);

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_LINEAR_PHASES_H_
