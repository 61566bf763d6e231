#include "favor/attention/linear_plan.h"

#include <algorithm>
#include <atomic>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "favor/attention/chain_workspaces.h"
#include "favor/attention/partial_outputs.h"
#include "favor/attention/plan_sizes.h"
#include "favor/kernels/tile.h"

namespace favor::internal {
namespace {

using Call = std::shared_ptr<const LinearAttention>;
using Workspaces = ChainWorkspaces<LinearAttention::Workspace>;

// Segments shorter than this cost more in merging than they give.
constexpr int64_t kMinSegmentKeys = 6 * kernels::kFoldTile;

int64_t NumTiles(int64_t length) { return CeilDiv(length, kernels::kTile); }

// The states of all segments exist at once; keep them small beside any tensor worth segmenting.
constexpr int64_t kMaxSegmentBytes = int64_t{64} << 20;

// A causal tile is its keys and the queries of every head of the group; else tiles are of either.
int64_t WorkOfTile(const LinearAttention& call) { return call.causal() ? 1 + call.group_size() : 1; }

// Shapes of the plan.
struct Partition {
  explicit Partition(const LinearAttention& call)
      : num_states(call.inputs().keys.shape.batch_size * call.num_key_heads()),
        num_readers(call.inputs().queries.shape.batch_size * call.inputs().queries.shape.num_heads),
        key_tiles(CeilDiv(call.inputs().keys.shape.length, call.fold_width())),
        query_tiles(NumTiles(call.inputs().queries.shape.length)),
        tiles_per_step(std::max<int64_t>(1, kStepFlops / (call.FlopsPerTile() * WorkOfTile(call)))),
        fold_tiles_per_step(std::max<int64_t>(1, tiles_per_step * kernels::kTile / call.fold_width())) {
    if (call.causal() || num_states == 0 || query_tiles == 0) return;
    segments = std::min({kTargetChains / num_states, call.inputs().keys.shape.length / kMinSegmentKeys,
                         kMaxSegmentBytes / (num_states * call.WorkspaceBytes())});
    segments = std::max<int64_t>(segments, 1);
  }

  int64_t num_states, num_readers;
  int64_t key_tiles;    // of fold_width() keys
  int64_t query_tiles;  // of kTile queries
  int64_t tiles_per_step, fold_tiles_per_step;
  int64_t segments = 1;
};

// Tiles that a chain goes through one after the other, `per_step` of them a step.
struct Walk {
  int64_t num_tiles, per_step;
  int64_t num_steps() const { return CeilDiv(num_tiles, per_step); }
};

// Runs run_tile for tiles [begin, end), unless cancelled.
template <typename RunTile>
absl::Status ForTiles(int64_t begin, int64_t end, const Cancellation* cancellation, RunTile run_tile) {
  for (int64_t tile = begin; tile < end; ++tile) {
    if (cancellation != nullptr) {
      if (absl::Status status = cancellation->Check(); !status.ok()) return status;
    }
    if (absl::Status status = run_tile(tile); !status.ok()) return status;
  }
  return absl::OkStatus();
}

std::shared_ptr<Workspaces> MakeWorkspaces(const Call& call, int64_t num_chains,
                                           std::shared_ptr<LinearPool> pool = nullptr) {
  return std::make_shared<Workspaces>(
      num_chains, [call](int64_t) { return call->MakeWorkspace(); }, std::move(pool));
}

// A phase whose chains each own a workspace while they are under way and go through the tiles of `first`, then through
// those of `second`: run_tile(workspace, chain, tile), tiles of `second` counting on.
template <typename RunTile>
Phase WorkspacePhase(const Call& call, const Cancellation* cancellation, std::shared_ptr<LinearPool> pool,
                     int64_t num_chains, Walk first, Walk second, RunTile run_tile) {
  Phase phase;
  phase.num_chains = num_chains;
  phase.steps_per_chain = first.num_steps() + second.num_steps();
  auto workspaces = MakeWorkspaces(call, num_chains, std::move(pool));
  const int64_t last_step = phase.steps_per_chain - 1;
  phase.run_step = [=](int64_t chain, int64_t step) -> absl::Status {
    absl::StatusOr<LinearAttention::Workspace*> work = workspaces->Get(chain);
    if (!work.ok()) return work.status();
    const bool in_first = step < first.num_steps();
    const Walk& walk = in_first ? first : second;
    const int64_t offset = in_first ? 0 : first.num_tiles;
    const int64_t begin = (in_first ? step : step - first.num_steps()) * walk.per_step;
    absl::Status status = ForTiles(offset + begin, offset + std::min(begin + walk.per_step, walk.num_tiles),
                                   cancellation, [&](int64_t tile) { return run_tile(*work, chain, tile); });
    if (step == last_step) workspaces->Release(chain);
    return status;
  };
  return phase;
}

Phase CausalPhase(const Call& call, const Partition& shape, const Cancellation* cancellation,
                  std::shared_ptr<LinearPool> pool) {
  const int64_t first_output = call->NeedsStabiliser() ? shape.key_tiles : 0;
  const int64_t heads = call->num_key_heads();
  return WorkspacePhase(call, cancellation, std::move(pool), shape.num_states, {first_output, shape.tiles_per_step},
                        {shape.query_tiles, shape.tiles_per_step},
                        [=](LinearAttention::Workspace* work, int64_t chain, int64_t tile) {
                          const int64_t batch = chain / heads, head = chain % heads;
                          if (tile == 0) call->Clear(work);
                          if (tile < first_output) return call->StabiliserTile(batch, head, tile, work);
                          return call->CausalTile(batch, head, tile - first_output, work);
                        });
}

// Folds all keys of a head, then reads with the queries of every head of its group.
Phase WholeHeadPhase(const Call& call, const Partition& shape, const Cancellation* cancellation,
                     std::shared_ptr<LinearPool> pool) {
  const int64_t heads = call->num_key_heads(), group = call->group_size();
  return WorkspacePhase(call, cancellation, std::move(pool), shape.num_states,
                        {shape.key_tiles, shape.fold_tiles_per_step}, {group * shape.query_tiles, shape.tiles_per_step},
                        [=](LinearAttention::Workspace* work, int64_t chain, int64_t tile) {
                          const int64_t batch = chain / heads, key_head = chain % heads;
                          if (tile == 0) call->Clear(work);
                          if (tile < shape.key_tiles) return call->FoldTile(batch, key_head, tile, work);
                          tile -= shape.key_tiles;
                          if (tile == 0) call->FinishKeys(&work->state);
                          const int64_t head = key_head * group + tile / shape.query_tiles;
                          return call->ReadTile(batch, head, tile % shape.query_tiles, work->state, work);
                        });
}

// Tiles of a stretch: the contributions of all parts to its outputs exist at once.
int64_t StretchTiles(const LinearAttention& call, const Partition& shape) {
  constexpr int64_t kBytes = int64_t{2} << 20;
  const PartialOutputs one(shape.num_readers, call.num_parts(), /*num_tiles=*/1, call.inputs().values.shape.dim);
  return std::min(shape.query_tiles, std::clamp<int64_t>(kBytes / one.Bytes(), 10, 100));
}

// A causal call in parts: each part goes through a stretch of the sequence, then their contributions are added up, then
// comes the next stretch. Chain state * num_parts + part keeps its workspace throughout.
std::vector<Phase> CausalPartPhases(const Call& call, const Partition& shape, const Cancellation* cancellation) {
  const int64_t heads = call->num_key_heads(), readers = call->inputs().queries.shape.num_heads;
  const int64_t parts = call->num_parts(), stretch = StretchTiles(*call, shape);
  auto outputs = std::make_shared<PartialOutputs>(shape.num_readers, parts, stretch, call->inputs().values.shape.dim);
  auto works = std::make_shared<Workspaces>(shape.num_states * parts,
                                            [=](int64_t chain) { return call->MakeWorkspace(chain % parts); });
  std::vector<Phase> phases;
  for (int64_t first = 0; first < shape.query_tiles; first += stretch) {
    const int64_t end = std::min(first + stretch, shape.query_tiles);
    Phase phase;
    phase.num_chains = shape.num_states * parts;
    phase.steps_per_chain = CeilDiv(end - first, shape.tiles_per_step);
    phase.run_step = [=](int64_t chain, int64_t step) -> absl::Status {
      absl::StatusOr<LinearAttention::Workspace*> work = works->Get(chain);
      if (!work.ok()) return work.status();
      const int64_t state = chain / parts, begin = first + step * shape.tiles_per_step;
      if (begin == 0) {
        if (absl::Status status = outputs->Allocate(); !status.ok()) return status;
        call->Clear(*work);
      }
      return ForTiles(begin, std::min(begin + shape.tiles_per_step, end), cancellation, [&](int64_t tile) {
        return call->CausalTile(state / heads, state % heads, tile, {outputs.get(), chain % parts, first}, *work);
      });
    };
    phases.push_back(phase);
    constexpr int64_t kTilesPerStep = 8;
    const int64_t chains_per_reader = CeilDiv(end - first, kTilesPerStep);
    Phase add_up;
    add_up.num_chains = shape.num_readers * chains_per_reader;
    add_up.run_step = [=](int64_t chain, int64_t) {
      const int64_t reader = chain / chains_per_reader, begin = first + chain % chains_per_reader * kTilesPerStep;
      return ForTiles(begin, std::min(begin + kTilesPerStep, end), cancellation, [&](int64_t tile) {
        call->StoreAside(reader / readers, reader % readers, tile, {outputs.get(), 0, first});
        return absl::OkStatus();
      });
    };
    phases.push_back(add_up);
  }
  return phases;
}

// Segmented calls keep the states of all segments: chain state * segments + segment.
Phase FoldSegmentsPhase(const Call& call, const Partition& shape, const std::shared_ptr<Workspaces>& states,
                        const Cancellation* cancellation) {
  const int64_t heads = call->num_key_heads();
  const int64_t tiles = CeilDiv(shape.key_tiles, shape.segments);
  Phase phase;
  phase.num_chains = shape.num_states * shape.segments;
  phase.steps_per_chain = CeilDiv(tiles, shape.fold_tiles_per_step);
  phase.run_step = [=](int64_t chain, int64_t step) -> absl::Status {
    absl::StatusOr<LinearAttention::Workspace*> work = states->Get(chain);
    if (!work.ok()) return work.status();
    if (step == 0) call->Clear(*work);
    const int64_t state = chain / shape.segments, first = chain % shape.segments * tiles;
    const int64_t begin = first + step * shape.fold_tiles_per_step;
    const int64_t end = std::min({begin + shape.fold_tiles_per_step, first + tiles, shape.key_tiles});
    return ForTiles(begin, end, cancellation,
                    [&](int64_t tile) { return call->FoldTile(state / heads, state % heads, tile, *work); });
  };
  return phase;
}

// Merges segment i + stride into i for stride 1, 2, 4 ...: the same tree whatever the threads.
Phase MergeSegmentsPhase(const Call& call, const Partition& shape, const std::shared_ptr<Workspaces>& states) {
  Phase phase;
  phase.num_chains = shape.num_states;
  phase.run_step = [=](int64_t chain, int64_t) -> absl::Status {
    std::vector<LinearAttention::Workspace*> segments;
    for (int64_t i = 0; i < shape.segments; ++i) {
      absl::StatusOr<LinearAttention::Workspace*> work = states->Get(chain * shape.segments + i);
      if (!work.ok()) return work.status();
      segments.push_back(*work);
    }
    for (int64_t stride = 1; stride < shape.segments; stride *= 2) {
      for (int64_t i = 0; i + stride < shape.segments; i += 2 * stride) {
        segments[i]->state.Merge(&segments[i + stride]->state);
      }
    }
    call->FinishKeys(&segments[0]->state);
    return absl::OkStatus();
  };
  return phase;
}

Phase ReadSegmentsPhase(const Call& call, const Partition& shape, const std::shared_ptr<Workspaces>& states,
                        const Cancellation* cancellation) {
  // Chains of one step each: readers need no order.
  const int64_t heads = call->inputs().queries.shape.num_heads, group = call->group_size();
  const int64_t chains_per_reader = CeilDiv(shape.query_tiles, shape.tiles_per_step);
  Phase phase = WorkspacePhase(call, cancellation, nullptr, shape.num_readers * chains_per_reader, {0, 1},
                               {shape.tiles_per_step, shape.tiles_per_step},
                               [=](LinearAttention::Workspace* work, int64_t chain, int64_t tile) -> absl::Status {
                                 const int64_t reader = chain / chains_per_reader;
                                 const int64_t query_tile = chain % chains_per_reader * shape.tiles_per_step + tile;
                                 if (query_tile >= shape.query_tiles) return absl::OkStatus();
                                 const int64_t batch = reader / heads, head = reader % heads;
                                 const int64_t state = batch * (heads / group) + head / group;
                                 absl::StatusOr<LinearAttention::Workspace*> keys = states->Get(state * shape.segments);
                                 return call->ReadTile(batch, head, query_tile, (*keys)->state, work);
                               });
  // The last reader lets the states go.
  auto num_left = std::make_shared<std::atomic<int64_t>>(phase.num_chains);
  phase.run_step = [=, run_step = std::move(phase.run_step), num_steps = phase.steps_per_chain,
                    num_states = shape.num_states * shape.segments](int64_t chain, int64_t step) {
    absl::Status status = run_step(chain, step);
    if (step + 1 == num_steps && --*num_left == 0) {
      for (int64_t i = 0; i < num_states; ++i) states->Release(i);
    }
    return status;
  };
  return phase;
}

}  // namespace

Job PlanLinearAttention(const Call& call, const Cancellation* cancellation, std::shared_ptr<LinearPool> pool) {
  const Partition shape(*call);
  Job job;
  if (shape.num_states == 0 || shape.query_tiles == 0) return job;
  if (call->num_parts() > 1) {
    job.phases = CausalPartPhases(call, shape, cancellation);
  } else if (call->causal()) {
    job.phases = {CausalPhase(call, shape, cancellation, std::move(pool))};
  } else if (shape.segments == 1) {
    job.phases = {WholeHeadPhase(call, shape, cancellation, std::move(pool))};
  } else {
    auto states = MakeWorkspaces(call, shape.num_states * shape.segments);
    job.phases = {FoldSegmentsPhase(call, shape, states, cancellation), MergeSegmentsPhase(call, shape, states),
                  ReadSegmentsPhase(call, shape, states, cancellation)};
  }
  return job;
}

int64_t LinearScratchBytes(absl::Span<const LinearAttention> calls, int num_threads) {
  int64_t held = 0;        // from phase to phase
  int64_t num_chains = 0;  // that work one after the other
  int64_t workspace = 0;
  for (const LinearAttention& call : calls) {
    const Partition shape(call);
    if (shape.num_states == 0 || shape.query_tiles == 0) continue;
    workspace = std::max(workspace, call.WorkspaceBytes());
    if (call.num_parts() > 1) {
      const PartialOutputs outputs(shape.num_readers, call.num_parts(), StretchTiles(call, shape),
                                   call.inputs().values.shape.dim);
      held += shape.num_states * call.num_parts() * call.WorkspaceBytes() + outputs.Bytes();
    } else if (shape.segments > 1) {
      // Readers run beside the states of all segments, those of every call with workspaces of its own.
      held += shape.num_states * shape.segments * call.WorkspaceBytes();
      const int64_t readers = shape.num_readers * CeilDiv(shape.query_tiles, shape.tiles_per_step);
      held += std::min<int64_t>(num_threads, readers) * call.WorkspaceBytes();
    } else {
      num_chains += shape.num_states;
    }
  }
  return held + std::min<int64_t>(num_threads, num_chains) * workspace;
}

}  // namespace favor::internal
