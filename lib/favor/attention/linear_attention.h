#ifndef FAVOR_ATTENTION_LINEAR_ATTENTION_H_
#define FAVOR_ATTENTION_LINEAR_ATTENTION_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "favor/attention/attention.h"
#include "favor/attention/head_state.h"
#include "favor/attention/key_tile.h"
#include "favor/attention/partial_outputs.h"
#include "favor/attention/query_tile.h"
#include "favor/base/aligned_buffer.h"
#include "favor/base/cancellation.h"
#include "favor/base/job.h"
#include "favor/feature_map/feature_map.h"
#include "favor/feature_map/head_transforms.h"
#include "favor/feature_map/statistics.h"

namespace favor::internal {

// Whose the states of a call are: it makes its own in its workspaces and forgets them, or it works on the caller's.
enum class StateOwner : uint8_t { kCall, kCaller };

// One call of linear attention: what to compute, over which memory. The tile is its unit of work; linear_plan.h says
// in which order and where in parallel tiles run. Immutable and thread-safe; workspaces and states are not.
class LinearAttention {
 public:
  // inputs have been validated.
  // transforms: those of the caller's states, where the spec uses statistics; a call of its own makes its own.
  static absl::StatusOr<LinearAttention> Create(const AttentionSpec& spec, const AttentionInputs& inputs,
                                                const MutableTensorView& output, AttentionReport* report,
                                                StateOwner owner = StateOwner::kCall,
                                                std::shared_ptr<const HeadTransforms> transforms = nullptr);

  // What folding and reading tiles of one head writes to.
  struct Workspace {
    Workspace(const LinearAttention& call, int64_t part, bool jackknife, ScratchLayout layout);
    HeadState state;  // of the call's own; without features where it only works on the caller's
    KeyTile keys;
    QueryTile queries;
    int64_t size;  // floats
    AlignedBuffer<float> memory;
  };
  // Where a part of the features puts what it contributes; nowhere: outputs are stored.
  struct Aside {
    PartialOutputs* outputs = nullptr;
    int64_t part = 0;
    int64_t first_tile = 0;  // of the stretch that `outputs` holds
  };

  // In the memory of `used`, another call's maybe, where that is enough; null: in memory of its own.
  // ResourceExhaustedError when there is none.
  absl::StatusOr<std::unique_ptr<Workspace>> MakeWorkspace(int64_t part, std::unique_ptr<Workspace> used) const;
  int64_t WorkspaceBytes() const;
  // The same of a call that wants no moments: how a call is laid out must not depend on whether it does.
  int64_t PlainWorkspaceBytes() const;

  // What has to come before everything else: statistics are measured, or put to use. None where there are none, or
  // where the caller's states have them.
  std::vector<Phase> StatisticsPhases(const Cancellation* cancellation) const;
  int64_t StatisticsBytes() const;

  // Empties a state.
  void Clear(HeadState* state) const;
  // Keys that FoldTile() takes at a time.
  int64_t fold_width() const { return fold_width_; }
  // Adds keys [tile * fold_width(), (tile + 1) * fold_width()) to the state; few keys stay in the workspace.
  absl::Status FoldTile(int64_t batch, int64_t key_head, int64_t tile, HeadState* state, Workspace* work) const;
  // Whether what is read are averages of values and not sums: the bidirectional no_projection map.
  bool ReadsAverages() const { return spec_.features.kernel == Kernel::kNoProjection && !spec_.causal; }
  // Turns the sums of all keys into what ReadTile reads.
  void FinishKeys(HeadState* state) const;
  // Outputs of one tile of queries.
  absl::Status ReadTile(int64_t batch, int64_t head, int64_t tile, const HeadState& state, Workspace* work) const {
    return ReadTile(batch, head, tile, state, {}, work);
  }

  // Whether states know the key stabiliser: epsilon parity of the softmax kernels.
  bool HasStabiliser() const;
  // Whether a causal call needs a pass over all keys before the first output, which finds it.
  bool NeedsStabiliserFirst() const;
  absl::Status StabiliserTile(int64_t batch, int64_t key_head, int64_t tile, HeadState* state, Workspace* work) const;
  // One tile of a causal call: outputs of its queries for every head of the group, then its keys go to the state.
  absl::Status CausalTile(int64_t batch, int64_t key_head, int64_t tile, HeadState* state, Workspace* work) const {
    return CausalTile(batch, key_head, tile, {}, state, work);
  }

  // A causal call of few heads is several parts of the features, each a chain of its own over the whole sequence: what
  // they contribute to the outputs is put aside and added up. 1 where there are heads enough, or no parts to be had.
  int64_t num_parts() const { return parts_.size(); }
  // The same for one part, its state that of a workspace made for it.
  absl::Status CausalTile(int64_t batch, int64_t key_head, int64_t tile, const Aside& aside, HeadState* state,
                          Workspace* work) const;
  // Copies the features of one part out of the state of all features, and back.
  void TakePart(const HeadState& whole, int64_t part, HeadState* state) const;
  void PutPart(const HeadState& state, int64_t part, HeadState* whole) const;
  // Outputs of one tile from all parts.
  void StoreAside(int64_t batch, int64_t head, int64_t tile, const Aside& aside) const;

  bool causal() const { return spec_.causal; }
  StateOwner owner() const { return owner_; }
  bool bfloat16() const { return spec_.precision == Precision::kBFloat16; }
  const AttentionInputs& inputs() const { return inputs_; }
  int64_t num_key_heads() const { return inputs_.keys.shape.num_heads; }
  // Query heads that share one key head.
  int64_t group_size() const { return inputs_.queries.shape.num_heads / inputs_.keys.shape.num_heads; }
  // Of one part. Multiply-adds count twice, exps not at all.
  int64_t FlopsPerTile() const;

 private:
  LinearAttention(const AttentionSpec& spec, const AttentionInputs& inputs, const MutableTensorView& output,
                  AttentionReport* report, StateOwner owner, FeatureMap map);
  // Features of the state in a workspace for this part.
  int64_t NumOwnFeatures(int64_t part) const;
  bool FusesKeys() const;
  bool FewKeys() const;
  absl::Status LoadKeys(int64_t batch, int64_t key_head, int64_t begin, int64_t count, Workspace* work) const;
  absl::Status LoadQueries(int64_t batch, int64_t head, int64_t tile, int64_t count, Workspace* work) const;
  void StoreOutputs(int64_t batch, int64_t head, int64_t tile, int64_t begin, int64_t end, const Aside& aside,
                    Workspace* work) const;
  bool WantsMoments() const { return report_ != nullptr && report_->row_moments != nullptr; }
  void NoteMoments(int64_t batch, int64_t head, int64_t tile, int64_t begin, int64_t end, const Aside& aside,
                   const HeadState& state, Workspace* work) const;
  absl::Status ReadTile(int64_t batch, int64_t head, int64_t tile, const HeadState& state, const Aside& aside,
                        Workspace* work) const;
  // Whether anything reads what the keys of a causal tile are folded into.
  bool FoldIsRead(int64_t tile) const;
  absl::Status CausalBlock(int64_t batch, int64_t key_head, int64_t tile, int64_t begin, int64_t end, int64_t key_end,
                           const Aside& aside, const HeadState& state, Workspace* work) const;
  void SplitFeatures();

  AttentionSpec spec_;
  double scale_ = 1;
  AttentionInputs inputs_;
  MutableTensorView output_;
  AttentionReport* report_;
  StateOwner owner_;
  FeatureMap map_;
  std::shared_ptr<HeadTransforms> transforms_;  // of the call's own, set by the first phases
  std::shared_ptr<Statistics> measured_;        // those that the call measures
  std::vector<FeatureMap> parts_;               // map_ itself, or slices of it
  int64_t fold_width_;
  bool multiplies_keys_;  // with queries first, then with values: ReadTile() needs the workspace that FoldTile() had
};

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_LINEAR_ATTENTION_H_
