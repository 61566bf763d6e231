#ifndef FAVOR_ATTENTION_ANCHOR_ATTENTION_H_
#define FAVOR_ATTENTION_ANCHOR_ATTENTION_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "favor/attention/anchor_fit.h"
#include "favor/attention/anchor_key_tile.h"
#include "favor/attention/anchor_query_tile.h"
#include "favor/attention/anchor_state.h"
#include "favor/attention/attention.h"
#include "favor/base/aligned_buffer.h"
#include "favor/base/cancellation.h"
#include "favor/base/job.h"
#include "favor/feature_map/anchor_set.h"
#include "favor/feature_map/statistics.h"

namespace favor::internal {

// One call of first-order softmax about anchors: with b the anchor nearest to a query x and w_j proportional to
// exp(b.y_j),
//   out = E_w[v] + (x - b)' Cov_w(y, v) + 1/2 sum_ab u_a u_b E_w[(z_a - E z_a)(z_b - E z_b)(v - E v)],
// the first terms of softmax attention's expansion about b, the last one in some directions only, in which x - b is u
// and y is z. Exact at the anchors, mass is conserved (a constant V comes back), and the error grows with a power of
// the variance of (x - b).y over keys. Linear in the length: anchors are the features, a key weighs exp(b.y), and what
// is folded are products with its own coordinates. Immutable and thread-safe; workspaces and states are not.
class AnchorAttention {
 public:
  static constexpr int64_t kTile = AnchorKeyTile::kWidth;  // keys or queries

  struct Workspace {
    Workspace(const AnchorAttention& call, ScratchLayout layout);
    AnchorState state;
    AnchorKeyTile keys;
    AnchorQueryTile queries;
    int64_t size;  // floats
    AlignedBuffer<float> memory;
  };

  // A call that has its sizes and cannot run.
  AnchorAttention(const AttentionSpec& spec, const AttentionInputs& inputs);
  // inputs have been validated, and are not causal. The errors of CheckParameters() and CheckStatistics();
  // ResourceExhaustedError.
  static absl::StatusOr<AnchorAttention> Create(const AttentionSpec& spec, const AttentionInputs& inputs,
                                                const MutableTensorView& output, AttentionReport* report);

  absl::StatusOr<std::unique_ptr<Workspace>> MakeWorkspace() const;
  int64_t WorkspaceBytes() const;
  // Bytes beside workspaces.
  static int64_t Bytes(const AttentionSpec& spec, const AttentionInputs& inputs, int num_threads);

  // What has to come before everything else: anchors are measured, or put to use, and rows for the fit are computed.
  std::vector<Phase> FirstPhases(const Cancellation* cancellation) const;

  void Clear(int64_t key_head, AnchorState* state) const { state->Clear(anchors_->head(key_head).count); }
  // Adds keys [tile * kTile, (tile + 1) * kTile) to a state.
  absl::Status FoldTile(int64_t batch, int64_t key_head, int64_t tile, AnchorState* state, Workspace* work) const;
  // Turns the sums of all keys into what ReadTile reads.
  absl::Status Finish(int64_t batch, int64_t key_head, AnchorState* state, Workspace* work) const;
  // Outputs of one tile of queries.
  absl::Status ReadTile(int64_t batch, int64_t head, int64_t tile, const AnchorState& state, Workspace* work) const;

  const AttentionInputs& inputs() const { return inputs_; }
  int64_t num_key_heads() const { return inputs_.keys.shape.num_heads; }
  // Query heads that share one key head.
  int64_t group_size() const { return inputs_.queries.shape.num_heads / num_key_heads(); }
  // Coordinates of a key and pairs of directions.
  int64_t NumProducts() const;
  int64_t FlopsPerKeyTile() const;
  int64_t FlopsPerQueryTile() const;

 private:
  AttentionSpec spec_;
  double scale_;
  AttentionInputs inputs_;
  MutableTensorView output_;
  AttentionReport* report_ = nullptr;
  std::shared_ptr<AnchorSet> anchors_;    // set by the first phases
  std::shared_ptr<Statistics> measured_;  // null: the spec's
  std::shared_ptr<AnchorFit> fit_;        // null: no rows
};

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_ANCHOR_ATTENTION_H_
