#ifndef FAVOR_ATTENTION_SPREAD_ROWS_H_
#define FAVOR_ATTENTION_SPREAD_ROWS_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "favor/attention/attention.h"
#include "favor/attention/plan_sizes.h"
#include "favor/tensor/tensor_view.h"

namespace favor::internal {

// Up to `most` of `length` rows, evenly spread. Both at least 1.
struct Spread {
  Spread(int64_t length, int64_t most)
      : step(CeilDiv(length, most)), first((step - 1) / 2), count(CeilDiv(length - first, step)) {}
  int64_t Row(int64_t index) const { return first + index * step; }
  int64_t step, first, count;
};

// One head of the queries of one sequence.
struct Reader {
  int64_t batch, head;
};

// Up to `most` of those that have a query and a key, evenly spread.
std::vector<Reader> SpreadReaders(const AttentionInputs& inputs, int64_t most);

// Packs rows of one sequence and head into out, [spread.count][Padded(dim)]. InvalidArgumentError, naming the tensor
// and the position, for a row that is not finite.
absl::Status PackSpread(const char* name, const TensorView& tensor, int64_t batch, int64_t head, const Spread& spread,
                        float* out);

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_SPREAD_ROWS_H_
