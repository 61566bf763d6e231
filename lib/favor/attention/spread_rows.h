#ifndef FAVOR_ATTENTION_SPREAD_ROWS_H_
#define FAVOR_ATTENTION_SPREAD_ROWS_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "favor/attention/attention.h"
#include "favor/attention/stratified_rows.h"
#include "favor/tensor/tensor_view.h"

namespace favor::internal {

// One head of the queries of one sequence.
struct Reader {
  int64_t batch, head;
};

// Up to `most` of those that have a query and a key, evenly spread.
std::vector<Reader> SpreadReaders(const AttentionInputs& inputs, int64_t most);

// Packs rows of one sequence and head into out, [sample.count()][Padded(dim)]. InvalidArgumentError, naming the tensor
// and the position, for a row that is not finite.
absl::Status PackSample(const char* name, const TensorView& tensor, int64_t batch, int64_t head,
                        const StratifiedRows& sample, float* out);

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_SPREAD_ROWS_H_
