#include "favor/attention/linear_plan.h"

#include <algorithm>
#include <atomic>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "favor/attention/linear_phases.h"
#include "favor/attention/plan_sizes.h"

namespace favor::internal {
namespace {

// Reads the first segment of every head; the last reader lets all of them go.
Phase ReadSegmentsPhase(const LinearCall& call, const LinearPartition& shape,
                        const std::shared_ptr<LinearWorkspaces>& works, const Cancellation* cancellation) {
  Phase phase = ReadersPhase(call, shape, cancellation, [=](int64_t index, LinearAttention::Workspace*, bool) {
    return &(*works->Get(index * shape.segments))->state;
  });
  auto num_left = std::make_shared<std::atomic<int64_t>>(phase.num_chains);
  phase.run_step = [=, run_step = std::move(phase.run_step), num_steps = phase.steps_per_chain,
                    num_states = shape.num_states * shape.segments](int64_t chain, int64_t step) {
    absl::Status status = run_step(chain, step);
    if (step + 1 == num_steps && --*num_left == 0) {
      for (int64_t i = 0; i < num_states; ++i) works->Release(i);
    }
    return status;
  };
  return phase;
}

}  // namespace

Job PlanLinearAttention(const LinearCall& call, const Cancellation* cancellation, std::shared_ptr<LinearPool> pool) {
  const LinearPartition shape(*call);
  if (shape.num_states == 0 || shape.query_tiles == 0) return {};
  std::vector<Phase> phases;
  if (call->num_parts() > 1) {
    phases = CausalPartPhases(call, shape, cancellation, nullptr);
  } else if (call->causal()) {
    phases = {CausalPhase(call, shape, cancellation, nullptr, std::move(pool))};
  } else if (shape.segments == 1) {
    phases = {WholeHeadPhase(call, shape, cancellation, nullptr, std::move(pool))};
  } else {
    auto works = MakeWorkspaces(call, shape.num_states * shape.segments);
    phases = {FoldSegmentsPhase(call, shape, works, cancellation, nullptr),
              MergeSegmentsPhase(call, shape, works, nullptr), ReadSegmentsPhase(call, shape, works, cancellation)};
  }
  Job job{call->StatisticsPhases(cancellation)};
  std::move(phases.begin(), phases.end(), std::back_inserter(job.phases));
  return job;
}

int64_t LinearScratchBytes(absl::Span<const LinearAttention> calls, int num_threads) {
  int64_t held = 0;        // from phase to phase
  int64_t num_chains = 0;  // that work one after the other
  int64_t workspace = 0;
  for (const LinearAttention& call : calls) {
    const LinearPartition shape(call);
    if (shape.num_states == 0 || shape.query_tiles == 0) continue;
    workspace = std::max(workspace, call.WorkspaceBytes());
    held += call.StatisticsBytes();
    if (call.num_parts() > 1) {
      held += CausalPartBytes(call, shape);
    } else if (shape.segments > 1) {
      // Readers run beside the states of all segments, those of every call with workspaces of its own.
      held += shape.num_states * shape.segments * call.WorkspaceBytes();
      held += std::min<int64_t>(num_threads, NumReaderChains(shape)) * call.WorkspaceBytes();
    } else {
      num_chains += shape.num_states;
    }
  }
  return held + std::min<int64_t>(num_threads, num_chains) * workspace;
}

}  // namespace favor::internal
