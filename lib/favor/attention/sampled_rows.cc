#include "favor/attention/sampled_rows.h"

#include <algorithm>

#include "favor/attention/not_finite.h"
#include "favor/attention/plan_sizes.h"
#include "favor/kernels/pack.h"

namespace favor::internal {

SampledRows::SampledRows(const char* name, const TensorView& tensor, absl::Span<const int64_t> lengths, int64_t group,
                         int64_t max_rows)
    : name_(name), tensor_(tensor), group_(group) {
  ends_.reserve(tensor.shape.batch_size * group);
  for (int64_t batch = 0; batch < tensor.shape.batch_size; ++batch) {
    const int64_t length = lengths.empty() ? tensor.shape.length : lengths[batch];
    for (int64_t head = 0; head < group; ++head) ends_.push_back((ends_.empty() ? 0 : ends_.back()) + length);
  }
  const int64_t num_rows = ends_.empty() ? 0 : ends_.back();
  step_ = std::max<int64_t>(1, CeilDiv(num_rows, max_rows));
  count_ = CeilDiv(num_rows, step_);
}

absl::Status SampledRows::Pack(int64_t key_head, int64_t begin, int64_t count, float* rows, int64_t stride) const {
  for (int64_t done = 0; done < count;) {
    const int64_t row = (begin + done) * step_;
    const int64_t segment = std::upper_bound(ends_.begin(), ends_.end(), row) - ends_.begin();
    const int64_t position = row - (segment == 0 ? 0 : ends_[segment - 1]);
    const int64_t batch = segment / group_, head = key_head * group_ + segment % group_;
    kernels::Rows from = kernels::RowsOf(tensor_, batch, head, position, 1);
    from.count = std::min(CeilDiv(ends_[segment] - row, step_), count - done);
    from.row_stride *= step_;
    if (step_ > 1) kernels::Prefetch(from);  // rows apart: every one would wait for memory on its own
    const int64_t finite = kernels::PackRows(from, 1.0f, /*clamp=*/true, rows + done * stride, stride);
    if (finite < from.count) {
      return NotFiniteError(name_, from, finite, batch, head, position + finite * (step_ - 1));
    }
    done += from.count;
  }
  return absl::OkStatus();
}

}  // namespace favor::internal
