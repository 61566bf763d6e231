#ifndef FAVOR_ATTENTION_ANCHOR_FIT_H_
#define FAVOR_ATTENTION_ANCHOR_FIT_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "favor/attention/anchor_query_tile.h"
#include "favor/attention/anchor_state.h"
#include "favor/attention/attention.h"
#include "favor/base/aligned_buffer.h"
#include "favor/base/cancellation.h"
#include "favor/base/job.h"
#include "favor/feature_map/anchor_set.h"

namespace favor::internal {

// Some rows of every sequence and key head, computed exactly, by which the parts of first-order softmax are weighed:
//   out = mean V + w1 (E_w[v] - mean V) + w2 (term of first order) + w3 (term of second order),
// by least squares, from 0 to little above 1. Far from its anchor a query is answered too much; smaller weights then
// keep the answer from being worse than the mean of V. Thread-safe where states are different.
class AnchorFit {
 public:
  // Up to num_rows rows a sequence and key head, spread over the valid queries of its group (StratifiedRows). What is
  // behind `inputs` must outlive the jobs. ResourceExhaustedError when there is no memory.
  static absl::StatusOr<std::shared_ptr<AnchorFit>> Create(const AttentionSpec& spec, const AttentionInputs& inputs);
  // Bytes that it holds, its jobs' scratch memory included.
  static int64_t Bytes(const AttentionSpec& spec, const AttentionInputs& inputs, int num_threads);

  // Computes the rows. `fit` must outlive the phases, which hold on to it.
  static std::vector<Phase> ExactRows(const std::shared_ptr<AnchorFit>& fit, const Cancellation* cancellation);

  // Then: weighs the parts of a finished state.
  absl::Status Weigh(int64_t batch, int64_t key_head, const AnchorSet& anchors, AnchorQueryTile* tile,
                     AnchorState* state) const;

 private:
  AnchorFit(const AttentionSpec& spec, const AttentionInputs& inputs);
  absl::Status Gather(int64_t batch, int64_t key_head);
  TensorView Queries() const;
  MutableTensorView Outputs();

  AttentionSpec exact_spec_;
  AttentionInputs inputs_;
  int64_t num_rows_;
  std::vector<int64_t> row_counts_;         // by sequence
  AlignedBuffer<float> queries_, outputs_;  // [batch][key_heads][num_rows][head_dim], [..][value_dim]
  AttentionReport exact_report_;
};

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_ANCHOR_FIT_H_
