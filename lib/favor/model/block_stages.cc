#include "favor/model/block_stages.h"

#include <utility>

namespace favor {

BlockStages::BlockStages(int64_t num_blocks, int64_t scratch_floats, const Cancellation* cancellation)
    : num_blocks_(num_blocks),
      scratch_floats_(scratch_floats),
      cancellation_(cancellation),
      scratch_(std::make_shared<internal::WorkspacePool<Scratch>>()) {}

void BlockStages::AppendTo(std::vector<BlockStage> stages, Job* job) const {
  std::vector<BlockStage> together;
  for (BlockStage& stage : stages) {
    if (stage.after_all_blocks && !together.empty()) AppendPhase(std::exchange(together, {}), job);
    together.push_back(std::move(stage));
  }
  if (!together.empty()) AppendPhase(std::move(together), job);
}

void BlockStages::AppendPhase(std::vector<BlockStage> stages, Job* job) const {
  Phase phase;
  phase.num_chains = num_blocks_;
  phase.steps_per_chain = static_cast<int64_t>(stages.size());
  using Workspaces = internal::ChainWorkspaces<Scratch>;
  const auto make = [floats = scratch_floats_]() -> absl::StatusOr<std::unique_ptr<Scratch>> {
    absl::StatusOr<Scratch> scratch = Scratch::Allocate(floats);
    if (!scratch.ok()) return scratch.status();
    return std::make_unique<Scratch>(*std::move(scratch));
  };
  auto scratch = std::make_shared<Workspaces>(num_blocks_, Workspaces::OfAnyChain(make), scratch_);
  phase.run_step = [stages = std::move(stages), scratch, cancellation = cancellation_](int64_t block,
                                                                                       int64_t step) -> absl::Status {
    if (cancellation != nullptr) {
      if (absl::Status status = cancellation->Check(); !status.ok()) return status;
    }
    absl::StatusOr<Scratch*> mine = scratch->Get(block);
    if (!mine.ok()) return mine.status();
    stages[step].run(block, (*mine)->data());
    if (step + 1 == static_cast<int64_t>(stages.size())) scratch->Release(block);
    return absl::OkStatus();
  };
  job->phases.push_back(std::move(phase));
}

}  // namespace favor
