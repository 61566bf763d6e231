#include "favor/model/block_stages.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace favor {
namespace {

absl::Status Check(const Cancellation* cancellation) {
  return cancellation == nullptr ? absl::OkStatus() : cancellation->Check();
}

}  // namespace

void Append(std::vector<BlockStage> from, std::vector<BlockStage>* to) {
  std::move(from.begin(), from.end(), std::back_inserter(*to));
}

BlockStages::BlockStages(const TokenBlocks& blocks, int64_t scratch_floats, const Cancellation* cancellation)
    : num_blocks_(blocks.num_blocks()),
      num_row_parts_(blocks.num_row_parts()),
      scratch_floats_(scratch_floats),
      cancellation_(cancellation),
      scratch_(std::make_shared<internal::WorkspacePool<Scratch>>()) {}

absl::StatusOr<BlockStages> BlockStages::Create(const TokenBlocks& blocks, int64_t scratch_floats,
                                                const Cancellation* cancellation) {
  BlockStages stages(blocks, scratch_floats, cancellation);
  if (blocks.num_row_parts() == 1) return stages;
  absl::StatusOr<Scratch> scratch = Scratch::Allocate(scratch_floats);
  if (!scratch.ok()) return scratch.status();
  stages.shared_scratch_ = std::make_shared<Scratch>(*std::move(scratch));
  return stages;
}

void BlockStages::AppendTo(std::vector<BlockStage> stages, Job* job) const {
  Stages together;
  const auto append = [&] {
    if (together.empty()) return;
    SharesRows() ? AppendParts(std::exchange(together, {}), 1, job) : AppendBlocks(std::exchange(together, {}), job);
  };
  for (BlockStage& stage : stages) {
    const bool is_divided = stage.by_rows && SharesRows();
    if (stage.after_all_blocks || is_divided) append();
    if (is_divided) {
      AppendParts({std::move(stage)}, num_row_parts_, job);
    } else {
      together.push_back(std::move(stage));
    }
  }
  append();
}

void BlockStages::AppendBlocks(Stages stages, Job* job) const {
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
    if (absl::Status status = Check(cancellation); !status.ok()) return status;
    absl::StatusOr<Scratch*> mine = scratch->Get(block);
    if (!mine.ok()) return mine.status();
    stages[step].run(block, RowPart{}, (*mine)->data());
    if (step + 1 == static_cast<int64_t>(stages.size())) scratch->Release(block);
    return absl::OkStatus();
  };
  job->phases.push_back(std::move(phase));
}

void BlockStages::AppendParts(Stages stages, int64_t num_parts, Job* job) const {
  Phase phase;
  phase.num_chains = num_parts;
  phase.steps_per_chain = static_cast<int64_t>(stages.size());
  phase.run_step = [stages = std::move(stages), scratch = shared_scratch_, num_parts, cancellation = cancellation_](
                       int64_t part, int64_t step) -> absl::Status {
    if (absl::Status status = Check(cancellation); !status.ok()) return status;
    stages[step].run(/*block=*/0, RowPart{part, num_parts}, scratch->data());
    return absl::OkStatus();
  };
  job->phases.push_back(std::move(phase));
}

}  // namespace favor
