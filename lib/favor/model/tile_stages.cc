#include "favor/model/tile_stages.h"

#include <utility>

namespace favor {

TileStages::TileStages(int64_t num_tiles, int64_t scratch_floats, const Cancellation* cancellation)
    : num_tiles_(num_tiles), cancellation_(cancellation) {
  scratch_ = std::make_shared<internal::ChainWorkspaces<Scratch>>(
      num_tiles, [scratch_floats](int64_t) -> absl::StatusOr<std::unique_ptr<Scratch>> {
        absl::StatusOr<Scratch> scratch = Scratch::Allocate(scratch_floats);
        if (!scratch.ok()) return scratch.status();
        return std::make_unique<Scratch>(*std::move(scratch));
      });
}

void TileStages::AppendTo(std::vector<TileStage> stages, Job* job) const {
  std::vector<TileStage> together;
  for (TileStage& stage : stages) {
    if (stage.after_all_tiles && !together.empty()) AppendPhase(std::exchange(together, {}), job);
    together.push_back(std::move(stage));
  }
  if (!together.empty()) AppendPhase(std::move(together), job);
}

void TileStages::AppendPhase(std::vector<TileStage> stages, Job* job) const {
  Phase phase;
  phase.num_chains = num_tiles_;
  phase.steps_per_chain = static_cast<int64_t>(stages.size());
  phase.run_step = [stages = std::move(stages), scratch = scratch_, cancellation = cancellation_](
                       int64_t tile, int64_t step) -> absl::Status {
    if (cancellation != nullptr) {
      if (absl::Status status = cancellation->Check(); !status.ok()) return status;
    }
    absl::StatusOr<Scratch*> mine = scratch->Get(tile);
    if (!mine.ok()) return mine.status();
    stages[step].run(tile, (*mine)->data());
    if (step + 1 == static_cast<int64_t>(stages.size())) scratch->Release(tile);
    return absl::OkStatus();
  };
  job->phases.push_back(std::move(phase));
}

}  // namespace favor
