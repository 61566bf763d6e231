#include "favor/attention/linear_phases.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "favor/attention/plan_sizes.h"
#include "favor/attention/segments.h"
#include "favor/kernels/tile.h"

namespace favor::internal {
namespace {

using Workspace = LinearAttention::Workspace;

// A causal tile is its keys and the queries of every head of the group; else tiles are of either.
int64_t WorkOfTile(const LinearAttention& call) { return call.causal() ? 1 + call.group_size() : 1; }

// Tiles that a chain goes through one after the other, `per_step` of them a step.
struct Walk {
  int64_t num_tiles, per_step;
  int64_t num_steps() const { return CeilDiv(num_tiles, per_step); }
};

// A phase whose chains each own a workspace while they are under way and go through the tiles of `first`, then through
// those of `second`: run_tile(workspace, chain, tile), tiles of `second` counting on.
template <typename RunTile>
Phase WorkspacePhase(const LinearCall& call, const Cancellation* cancellation, std::shared_ptr<LinearPool> pool,
                     int64_t num_chains, Walk first, Walk second, RunTile run_tile) {
  Phase phase;
  phase.num_chains = num_chains;
  phase.steps_per_chain = first.num_steps() + second.num_steps();
  auto workspaces = MakeWorkspaces(call, num_chains, std::move(pool));
  const int64_t last_step = phase.steps_per_chain - 1;
  phase.run_step = [=](int64_t chain, int64_t step) -> absl::Status {
    absl::StatusOr<Workspace*> work = workspaces->Get(chain);
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

// The state of a chain, empty before its first tile unless it is carried.
HeadState* StateFor(const LinearAttention& call, AttentionState* carried, int64_t index, bool first, Workspace* work) {
  if (carried != nullptr) return &carried->head(index);
  if (first) call.Clear(&work->state);
  return &work->state;
}

// Tiles of a stretch: the contributions of all parts to its outputs exist at once.
int64_t StretchTiles(const LinearAttention& call, const LinearPartition& shape) {
  constexpr int64_t kBytes = int64_t{2} << 20;
  const PartialOutputs one(shape.num_readers, call.num_parts(), /*num_tiles=*/1, call.inputs().values.shape.dim);
  return std::min(shape.query_tiles, std::clamp<int64_t>(kBytes / one.Bytes(), 10, 100));
}

// Adds up what the parts have put aside of tiles [first, end).
Phase AddUpPhase(const LinearCall& call, const LinearPartition& shape, std::shared_ptr<PartialOutputs> outputs,
                 int64_t first, int64_t end, const Cancellation* cancellation) {
  constexpr int64_t kTilesPerStep = 8;
  const int64_t chains_per_reader = CeilDiv(end - first, kTilesPerStep);
  const int64_t readers = call->inputs().queries.shape.num_heads;
  Phase phase;
  phase.num_chains = shape.num_readers * chains_per_reader;
  phase.run_step = [=](int64_t chain, int64_t) {
    const int64_t reader = chain / chains_per_reader, begin = first + chain % chains_per_reader * kTilesPerStep;
    return ForTiles(begin, std::min(begin + kTilesPerStep, end), cancellation, [&](int64_t tile) {
      call->StoreAside(reader / readers, reader % readers, tile, {outputs.get(), 0, first});
      return absl::OkStatus();
    });
  };
  return phase;
}

// Puts the states of all parts, chain state * num_parts + part, back together.
Phase PutPartsPhase(const LinearCall& call, const LinearPartition& shape, std::shared_ptr<LinearWorkspaces> works,
                    AttentionState* carried) {
  Phase phase;
  phase.num_chains = shape.num_states;
  phase.steps_per_chain = call->num_parts();
  phase.run_step = [=](int64_t state, int64_t part) -> absl::Status {
    absl::StatusOr<Workspace*> work = works->Get(state * call->num_parts() + part);
    if (work.ok()) call->PutPart((*work)->state, part, &carried->head(state));
    return work.status();
  };
  return phase;
}

}  // namespace

LinearPartition::LinearPartition(const LinearAttention& call)
    : num_states(call.inputs().keys.shape.batch_size * call.num_key_heads()),
      num_readers(call.inputs().queries.shape.batch_size * call.inputs().queries.shape.num_heads),
      key_tiles(CeilDiv(call.inputs().keys.shape.length, call.fold_width())),
      query_tiles(CeilDiv(call.inputs().queries.shape.length, kernels::kTile)),
      tiles_per_step(std::max<int64_t>(1, kStepFlops / (call.FlopsPerTile() * WorkOfTile(call)))),
      fold_tiles_per_step(std::max<int64_t>(1, tiles_per_step * kernels::kTile / call.fold_width())) {
  const bool needless = query_tiles == 0 && call.owner() == StateOwner::kCall;  // nobody reads
  if (call.causal() || num_states == 0 || needless) return;
  segments = NumSegments(num_states, call.inputs().keys.shape.length, call.PlainWorkspaceBytes());
}

std::shared_ptr<LinearWorkspaces> MakeWorkspaces(const LinearCall& call, int64_t num_chains,
                                                 std::shared_ptr<LinearPool> pool) {
  return std::make_shared<LinearWorkspaces>(
      num_chains,
      [call](int64_t, std::unique_ptr<Workspace> used) { return call->MakeWorkspace(/*part=*/0, std::move(used)); },
      std::move(pool));
}

Phase CausalPhase(const LinearCall& call, const LinearPartition& shape, const Cancellation* cancellation,
                  AttentionState* carried, std::shared_ptr<LinearPool> pool) {
  const int64_t first_output = call->NeedsStabiliserFirst() ? shape.key_tiles : 0;
  const int64_t heads = call->num_key_heads();
  return WorkspacePhase(call, cancellation, std::move(pool), shape.num_states, {first_output, shape.tiles_per_step},
                        {shape.query_tiles, shape.tiles_per_step}, [=](Workspace* work, int64_t chain, int64_t tile) {
                          const int64_t batch = chain / heads, head = chain % heads;
                          HeadState* state = StateFor(*call, carried, chain, tile == 0, work);
                          if (tile < first_output) return call->StabiliserTile(batch, head, tile, state, work);
                          return call->CausalTile(batch, head, tile - first_output, state, work);
                        });
}

Phase WholeHeadPhase(const LinearCall& call, const LinearPartition& shape, const Cancellation* cancellation,
                     AttentionState* carried, std::shared_ptr<LinearPool> pool) {
  const int64_t heads = call->num_key_heads(), group = call->group_size();
  return WorkspacePhase(call, cancellation, std::move(pool), shape.num_states,
                        {shape.key_tiles, shape.fold_tiles_per_step}, {group * shape.query_tiles, shape.tiles_per_step},
                        [=](Workspace* work, int64_t chain, int64_t tile) {
                          const int64_t batch = chain / heads, key_head = chain % heads;
                          HeadState* state = StateFor(*call, carried, chain, tile == 0, work);
                          if (tile < shape.key_tiles) return call->FoldTile(batch, key_head, tile, state, work);
                          tile -= shape.key_tiles;
                          if (tile == 0) call->FinishKeys(state);
                          const int64_t head = key_head * group + tile / shape.query_tiles;
                          return call->ReadTile(batch, head, tile % shape.query_tiles, *state, work);
                        });
}

std::vector<Phase> CausalPartPhases(const LinearCall& call, const LinearPartition& shape,
                                    const Cancellation* cancellation, AttentionState* carried) {
  const int64_t heads = call->num_key_heads(), parts = call->num_parts(), stretch = StretchTiles(*call, shape);
  auto outputs = std::make_shared<PartialOutputs>(shape.num_readers, parts, stretch, call->inputs().values.shape.dim);
  // Chain state * num_parts + part keeps its workspace throughout.
  auto works =
      std::make_shared<LinearWorkspaces>(shape.num_states * parts, [=](int64_t chain, std::unique_ptr<Workspace> used) {
        return call->MakeWorkspace(chain % parts, std::move(used));
      });
  std::vector<Phase> phases;
  for (int64_t first = 0; first < shape.query_tiles; first += stretch) {
    const int64_t end = std::min(first + stretch, shape.query_tiles);
    Phase phase;
    phase.num_chains = shape.num_states * parts;
    phase.steps_per_chain = CeilDiv(end - first, shape.tiles_per_step);
    phase.run_step = [=](int64_t chain, int64_t step) -> absl::Status {
      absl::StatusOr<Workspace*> work = works->Get(chain);
      if (!work.ok()) return work.status();
      const int64_t index = chain / parts, part = chain % parts, begin = first + step * shape.tiles_per_step;
      HeadState* state = &(*work)->state;
      if (begin == 0) {
        if (absl::Status status = outputs->Allocate(); !status.ok()) return status;
        carried == nullptr ? call->Clear(state) : call->TakePart(carried->head(index), part, state);
      }
      return ForTiles(begin, std::min(begin + shape.tiles_per_step, end), cancellation, [&](int64_t tile) {
        return call->CausalTile(index / heads, index % heads, tile, {outputs.get(), part, first}, state, *work);
      });
    };
    phases.push_back(phase);
    phases.push_back(AddUpPhase(call, shape, outputs, first, end, cancellation));
  }
  if (carried != nullptr) phases.push_back(PutPartsPhase(call, shape, works, carried));
  return phases;
}

int64_t CausalPartBytes(const LinearAttention& call, const LinearPartition& shape) {
  const PartialOutputs outputs(shape.num_readers, call.num_parts(), StretchTiles(call, shape),
                               call.inputs().values.shape.dim);
  return shape.num_states * call.num_parts() * call.WorkspaceBytes() + outputs.Bytes();
}

Phase FoldSegmentsPhase(const LinearCall& call, const LinearPartition& shape,
                        const std::shared_ptr<LinearWorkspaces>& works, const Cancellation* cancellation,
                        AttentionState* carried) {
  const int64_t heads = call->num_key_heads();
  Phase phase;
  phase.num_chains = shape.num_states * shape.segments;
  phase.steps_per_chain = CeilDiv(CeilDiv(shape.key_tiles, shape.segments), shape.fold_tiles_per_step);
  phase.run_step = [=](int64_t chain, int64_t step) -> absl::Status {
    absl::StatusOr<Workspace*> work = works->Get(chain);
    if (!work.ok()) return work.status();
    const int64_t index = chain / shape.segments, segment = chain % shape.segments;
    const TileRange tiles = TilesOfSegment(segment, shape.segments, shape.key_tiles);
    HeadState* state = StateFor(*call, segment == 0 ? carried : nullptr, index, step == 0, *work);
    const int64_t begin = tiles.first + step * shape.fold_tiles_per_step;
    const int64_t end = std::min(begin + shape.fold_tiles_per_step, tiles.end);
    return ForTiles(begin, end, cancellation,
                    [&](int64_t tile) { return call->FoldTile(index / heads, index % heads, tile, state, *work); });
  };
  return phase;
}

Phase MergeSegmentsPhase(const LinearCall& call, const LinearPartition& shape,
                         const std::shared_ptr<LinearWorkspaces>& works, AttentionState* carried) {
  Phase phase;
  phase.num_chains = shape.num_states;
  phase.run_step = [=](int64_t chain, int64_t) -> absl::Status {
    std::vector<HeadState*> segments;
    for (int64_t i = 0; i < shape.segments; ++i) {
      absl::StatusOr<Workspace*> work = works->Get(chain * shape.segments + i);
      if (!work.ok()) return work.status();
      segments.push_back(&(*work)->state);
    }
    if (carried != nullptr) segments[0] = &carried->head(chain);
    AppendSegments(segments);
    if (carried == nullptr) {
      call->FinishKeys(segments[0]);
    } else {
      for (int64_t i = 0; i < shape.segments; ++i) works->Release(chain * shape.segments + i);
    }
    return absl::OkStatus();
  };
  return phase;
}

int64_t NumReaderChains(const LinearPartition& shape) {
  return shape.num_readers * CeilDiv(shape.query_tiles, shape.tiles_per_step);
}

Phase ReadersPhase(const LinearCall& call, const LinearPartition& shape, const Cancellation* cancellation,
                   StateOf state_of) {
  // Chains of one step each: readers need no order.
  const int64_t heads = call->inputs().queries.shape.num_heads, group = call->group_size();
  const int64_t chains_per_reader = CeilDiv(shape.query_tiles, shape.tiles_per_step);
  return WorkspacePhase(call, cancellation, nullptr, NumReaderChains(shape), {0, 1},
                        {shape.tiles_per_step, shape.tiles_per_step},
                        [=](Workspace* work, int64_t chain, int64_t tile) -> absl::Status {
                          const int64_t reader = chain / chains_per_reader;
                          const int64_t query_tile = chain % chains_per_reader * shape.tiles_per_step + tile;
                          if (query_tile >= shape.query_tiles) return absl::OkStatus();
                          const int64_t batch = reader / heads, head = reader % heads;
                          const int64_t index = batch * (heads / group) + head / group;
                          return call->ReadTile(batch, head, query_tile, *state_of(index, work, tile == 0), work);
                        });
}

}  // namespace favor::internal
