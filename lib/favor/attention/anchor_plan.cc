#include "favor/attention/anchor_plan.h"

#include <algorithm>
#include <atomic>
#include <utility>
#include <vector>

#include "favor/attention/chain_workspaces.h"
#include "favor/attention/plan_sizes.h"
#include "favor/attention/segments.h"

namespace favor::internal {
namespace {

using Workspace = AnchorAttention::Workspace;
using Workspaces = ChainWorkspaces<Workspace>;

constexpr int64_t kTile = AnchorAttention::kTile;

struct Partition {
  explicit Partition(const AnchorAttention& call)
      : num_states(call.inputs().keys.shape.batch_size * call.num_key_heads()),
        num_readers(call.inputs().queries.shape.batch_size * call.inputs().queries.shape.num_heads),
        key_tiles(CeilDiv(call.inputs().keys.shape.length, kTile)),
        query_tiles(CeilDiv(call.inputs().queries.shape.length, kTile)),
        keys_per_step(std::max<int64_t>(1, kStepFlops / call.FlopsPerKeyTile())),
        queries_per_step(std::max<int64_t>(1, kStepFlops / call.FlopsPerQueryTile())) {
    if (num_states == 0) return;
    segments = NumSegments(num_states, call.inputs().keys.shape.length, call.WorkspaceBytes());
  }

  bool empty() const { return num_states == 0 || query_tiles == 0; }

  int64_t num_states, num_readers;
  int64_t key_tiles, query_tiles;
  int64_t keys_per_step, queries_per_step;  // tiles
  int64_t segments = 1;                     // of the keys of one head, folded at once
};

std::shared_ptr<Workspaces> MakeWorkspaces(const AnchorCall& call, int64_t num_chains) {
  return std::make_shared<Workspaces>(num_chains, Workspaces::OfAnyChain([call] { return call->MakeWorkspace(); }));
}

// A chain folds the keys of a head, then reads with the queries of every head of its group.
Phase WholeHeadPhase(const AnchorCall& call, const Partition& shape, const Cancellation* cancellation) {
  const int64_t heads = call->num_key_heads(), group = call->group_size();
  const int64_t key_steps = CeilDiv(shape.key_tiles, shape.keys_per_step);
  const int64_t query_steps = CeilDiv(group * shape.query_tiles, shape.queries_per_step);
  Phase phase;
  phase.num_chains = shape.num_states;
  phase.steps_per_chain = key_steps + 1 + query_steps;
  auto workspaces = MakeWorkspaces(call, phase.num_chains);
  phase.run_step = [=, last_step = phase.steps_per_chain - 1](int64_t chain, int64_t step) -> absl::Status {
    absl::StatusOr<Workspace*> made = workspaces->Get(chain);
    if (!made.ok()) return made.status();
    Workspace* work = *made;
    const int64_t batch = chain / heads, key_head = chain % heads;
    if (step == 0) call->Clear(key_head, &work->state);
    if (step < key_steps) {
      const int64_t begin = step * shape.keys_per_step;
      return ForTiles(begin, std::min(begin + shape.keys_per_step, shape.key_tiles), cancellation,
                      [&](int64_t tile) { return call->FoldTile(batch, key_head, tile, &work->state, work); });
    }
    if (step == key_steps) return call->Finish(batch, key_head, &work->state, work);
    const int64_t begin = (step - key_steps - 1) * shape.queries_per_step;
    const int64_t end = std::min(begin + shape.queries_per_step, group * shape.query_tiles);
    absl::Status status = ForTiles(begin, end, cancellation, [&](int64_t tile) {
      const int64_t head = key_head * group + tile / shape.query_tiles;
      return call->ReadTile(batch, head, tile % shape.query_tiles, work->state, work);
    });
    if (step == last_step) workspaces->Release(chain);
    return status;
  };
  return phase;
}

// Folds the keys of a head in several segments at once: workspace of a segment at state * segments + segment.
Phase FoldSegmentsPhase(const AnchorCall& call, const Partition& shape, const std::shared_ptr<Workspaces>& works,
                        const Cancellation* cancellation) {
  const int64_t heads = call->num_key_heads();
  Phase phase;
  phase.num_chains = shape.num_states * shape.segments;
  phase.steps_per_chain = CeilDiv(CeilDiv(shape.key_tiles, shape.segments), shape.keys_per_step);
  phase.run_step = [=](int64_t chain, int64_t step) -> absl::Status {
    absl::StatusOr<Workspace*> work = works->Get(chain);
    if (!work.ok()) return work.status();
    const int64_t index = chain / shape.segments;
    const TileRange tiles = TilesOfSegment(chain % shape.segments, shape.segments, shape.key_tiles);
    AnchorState* state = &(*work)->state;
    if (step == 0) call->Clear(index % heads, state);
    const int64_t begin = tiles.first + step * shape.keys_per_step;
    const int64_t end = std::min(begin + shape.keys_per_step, tiles.end);
    return ForTiles(begin, end, cancellation,
                    [&](int64_t tile) { return call->FoldTile(index / heads, index % heads, tile, state, *work); });
  };
  return phase;
}

Phase MergeSegmentsPhase(const AnchorCall& call, const Partition& shape, const std::shared_ptr<Workspaces>& works) {
  const int64_t heads = call->num_key_heads();
  Phase phase;
  phase.num_chains = shape.num_states;
  phase.run_step = [=](int64_t chain, int64_t) -> absl::Status {
    std::vector<AnchorState*> states;
    for (int64_t i = 0; i < shape.segments; ++i) {
      absl::StatusOr<Workspace*> work = works->Get(chain * shape.segments + i);
      if (!work.ok()) return work.status();
      states.push_back(&(*work)->state);
    }
    AppendSegments(states);
    absl::StatusOr<Workspace*> first = works->Get(chain * shape.segments);
    if (!first.ok()) return first.status();
    return call->Finish(chain / heads, chain % heads, states[0], *first);
  };
  return phase;
}

int64_t NumReaderChains(const Partition& shape) {
  return shape.num_readers * CeilDiv(shape.query_tiles, shape.queries_per_step);
}

// Reads the first segment of every head; the last reader lets all of them go.
Phase ReadSegmentsPhase(const AnchorCall& call, const Partition& shape, const std::shared_ptr<Workspaces>& works,
                        const Cancellation* cancellation) {
  const int64_t heads = call->inputs().queries.shape.num_heads, group = call->group_size();
  const int64_t chains_per_reader = CeilDiv(shape.query_tiles, shape.queries_per_step);
  Phase phase;
  phase.num_chains = NumReaderChains(shape);
  auto readers = MakeWorkspaces(call, phase.num_chains);
  auto num_left = std::make_shared<std::atomic<int64_t>>(phase.num_chains);
  phase.run_step = [=](int64_t chain, int64_t) -> absl::Status {
    absl::StatusOr<Workspace*> work = readers->Get(chain);
    if (!work.ok()) return work.status();
    const int64_t reader = chain / chains_per_reader, batch = reader / heads, head = reader % heads;
    const int64_t index = batch * (heads / group) + head / group;
    const AnchorState& state = (*works->Get(index * shape.segments))->state;
    const int64_t begin = chain % chains_per_reader * shape.queries_per_step;
    const int64_t end = std::min(begin + shape.queries_per_step, shape.query_tiles);
    absl::Status status = ForTiles(begin, end, cancellation,
                                   [&](int64_t tile) { return call->ReadTile(batch, head, tile, state, *work); });
    readers->Release(chain);
    if (--*num_left == 0) {
      for (int64_t i = 0; i < shape.num_states * shape.segments; ++i) works->Release(i);
    }
    return status;
  };
  return phase;
}

}  // namespace

Job PlanAnchorAttention(const AnchorCall& call, const Cancellation* cancellation) {
  const Partition shape(*call);
  if (shape.empty()) return {};
  Job job{call->FirstPhases(cancellation)};
  if (shape.segments == 1) {
    job.phases.push_back(WholeHeadPhase(call, shape, cancellation));
    return job;
  }
  auto works = MakeWorkspaces(call, shape.num_states * shape.segments);
  job.phases.push_back(FoldSegmentsPhase(call, shape, works, cancellation));
  job.phases.push_back(MergeSegmentsPhase(call, shape, works));
  job.phases.push_back(ReadSegmentsPhase(call, shape, works, cancellation));
  return job;
}

int64_t AnchorScratchBytes(const AttentionSpec& spec, const AttentionInputs& inputs, int num_threads) {
  const AnchorAttention call(spec, inputs);
  const Partition shape(call);
  if (shape.empty()) return 0;
  const int64_t states = shape.segments == 1 ? 0 : shape.num_states * shape.segments;
  const int64_t chains = shape.segments == 1 ? shape.num_states : NumReaderChains(shape);
  return AnchorAttention::Bytes(spec, inputs, num_threads) +
         (states + std::min<int64_t>(num_threads, chains)) * call.WorkspaceBytes();
}

}  // namespace favor::internal
