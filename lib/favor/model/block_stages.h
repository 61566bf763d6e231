#ifndef FAVOR_MODEL_BLOCK_STAGES_H_
#define FAVOR_MODEL_BLOCK_STAGES_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "favor/attention/chain_workspaces.h"
#include "favor/base/aligned_buffer.h"
#include "favor/base/cancellation.h"
#include "favor/base/job.h"
#include "favor/model/row_part.h"
#include "favor/model/token_blocks.h"

namespace favor {

// A piece of a layer that is done for every block of tokens by itself.
struct BlockStage {
  // `scratch` is the block's own: what the stages before it left there, of those that were appended with it, else
  // arbitrary. A millisecond's work or so.
  std::function<void(int64_t block, RowPart rows, float* scratch)> run;
  // Reads what the stage before it made of other blocks too.
  bool after_all_blocks = false;
  // May be run in parts of the rows of its dense layers; else it is run with all of them.
  bool by_rows = false;
};

// Adds stages behind others.
void Append(std::vector<BlockStage> from, std::vector<BlockStage>* to);

// Turns stages into phases of a Job. Of many blocks each is a chain and its stages are the steps; all phases share
// their scratch memory. Of one block whose rows are shared (TokenBlocks) every stage by rows is a phase, a part a
// chain.
class BlockStages {
 public:
  // scratch_floats: of one block. ResourceExhaustedError when there is no memory for a block whose rows are shared;
  // others take theirs when they run.
  static absl::StatusOr<BlockStages> Create(const TokenBlocks& blocks, int64_t scratch_floats,
                                            const Cancellation* cancellation);

  // Adds the stages behind the job's phases.
  void AppendTo(std::vector<BlockStage> stages, Job* job) const;

 private:
  using Scratch = AlignedBuffer<float>;
  using Stages = std::vector<BlockStage>;

  BlockStages(const TokenBlocks& blocks, int64_t scratch_floats, const Cancellation* cancellation);

  bool SharesRows() const { return shared_scratch_ != nullptr; }
  void AppendBlocks(Stages stages, Job* job) const;
  void AppendParts(Stages stages, int64_t num_parts, Job* job) const;

  int64_t num_blocks_;
  int64_t num_row_parts_;
  int64_t scratch_floats_;
  const Cancellation* cancellation_;
  std::shared_ptr<internal::WorkspacePool<Scratch>> scratch_;
  std::shared_ptr<Scratch> shared_scratch_;
};

}  // namespace favor

#endif  // FAVOR_MODEL_BLOCK_STAGES_H_
