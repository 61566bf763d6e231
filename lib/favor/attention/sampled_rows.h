#ifndef FAVOR_ATTENTION_SAMPLED_ROWS_H_
#define FAVOR_ATTENTION_SAMPLED_ROWS_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "favor/attention/scattered_rows.h"
#include "favor/attention/stratified_rows.h"
#include "favor/tensor/tensor_view.h"

namespace favor::internal {

// Rows of queries, and of keys, that the statistics of a head of this dimension are measured on at most: one of every n
// of all sequences and query heads of the key head. A covariance needs some rows per coordinate, not all of a long
// sequence: with 5 per coordinate errors on a trained model's layers were those with all rows.
constexpr int64_t MaxSampledRows(int64_t head_dim) { return head_dim > 102 ? 5 * head_dim : 512; }
// Queries among which anchors are found: their number is about clusters, not about coordinates.
constexpr int64_t kMaxAnchorSample = 512;

// The valid rows of one key head in a tensor of `group` heads a key head, one of every n of them a sample.
class SampledRows {
 public:
  SampledRows(const char* name, const TensorView& tensor, absl::Span<const int64_t> lengths, int64_t group,
              int64_t max_rows);

  int64_t count() const { return sample_.count(); }
  int64_t dim() const { return tensor_.shape.dim; }

  // Packs samples [begin, begin + count) of a key head. InvalidArgumentError for a row that is not finite.
  absl::Status Pack(int64_t key_head, int64_t begin, int64_t count, float* rows, int64_t stride) const;

 private:
  RowPlace PlaceOf(int64_t key_head, int64_t index) const;

  const char* name_;
  TensorView tensor_;
  int64_t group_;
  std::vector<int64_t> ends_;  // of the rows of each sequence and head of a group, counted on
  StratifiedRows sample_;
};

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_SAMPLED_ROWS_H_
