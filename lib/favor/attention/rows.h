#ifndef FAVOR_ATTENTION_ROWS_H_
#define FAVOR_ATTENTION_ROWS_H_

#include <atomic>
#include <cstdint>
#include <cstring>

#include "favor/attention/attention.h"
#include "favor/kernels/pack.h"

namespace favor::internal {

// Sets rows of an output to zero.
inline void ZeroRows(const kernels::MutableRows& rows) {
  const int64_t size = SizeOf(rows.type);
  for (int64_t t = 0; t < rows.count; ++t) {
    for (int64_t n = 0; n < rows.dim; ++n) {
      std::memset(rows.first + (t * rows.row_stride + n * rows.dim_stride) * size, 0, size);
    }
  }
}

// Adds to report->degenerate_rows from any thread; report may be null.
inline void CountDegenerate(int64_t rows, AttentionReport* report) {
  if (report == nullptr || rows == 0) return;
  std::atomic_ref<int64_t>(report->degenerate_rows).fetch_add(rows, std::memory_order_relaxed);
}

// Rows that are degenerate whatever the numbers are.
inline int64_t NumRowsWithoutKeys(const AttentionInputs& inputs) {
  int64_t rows = 0;
  for (int64_t batch = 0; batch < inputs.queries.shape.batch_size; ++batch) {
    if (inputs.NumKeys(batch) == 0) rows += inputs.NumQueries(batch) * inputs.queries.shape.num_heads;
  }
  return rows;
}

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_ROWS_H_
