#ifndef FAVOR_MODEL_BLOCK_STAGES_H_
#define FAVOR_MODEL_BLOCK_STAGES_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "favor/attention/chain_workspaces.h"
#include "favor/base/aligned_buffer.h"
#include "favor/base/cancellation.h"
#include "favor/base/job.h"

namespace favor {

// A piece of a layer that is done for every block of tokens by itself.
struct BlockStage {
  // `scratch` is the chain's own, its contents arbitrary. A millisecond's work or so.
  std::function<void(int64_t block, float* scratch)> run;
  // Reads what the stage before it made of other blocks too.
  bool after_all_blocks = false;
};

// Turns stages into phases of a Job, in which a block is a chain and its stages are the steps; all phases share their
// scratch memory.
class BlockStages {
 public:
  // scratch_floats: of one chain.
  BlockStages(int64_t num_blocks, int64_t scratch_floats, const Cancellation* cancellation);

  // Adds the stages behind the job's phases.
  void AppendTo(std::vector<BlockStage> stages, Job* job) const;

 private:
  using Scratch = AlignedBuffer<float>;

  void AppendPhase(std::vector<BlockStage> stages, Job* job) const;

  int64_t num_blocks_;
  int64_t scratch_floats_;
  const Cancellation* cancellation_;
  std::shared_ptr<internal::WorkspacePool<Scratch>> scratch_;
};

}  // namespace favor

#endif  // FAVOR_MODEL_BLOCK_STAGES_H_
