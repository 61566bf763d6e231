#include "favor/attention/sampled_rows.h"

#include <algorithm>

#include "favor/attention/not_finite.h"
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
  if (num_rows > 0) sample_ = StratifiedRows::InSteps(num_rows, max_rows);
}

SampledRows::Place SampledRows::PlaceOf(int64_t key_head, int64_t index) const {
  const int64_t row = sample_.Row(index);
  const int64_t segment = std::upper_bound(ends_.begin(), ends_.end(), row) - ends_.begin();
  return {segment / group_, key_head * group_ + segment % group_, row - (segment == 0 ? 0 : ends_[segment - 1])};
}

absl::Status SampledRows::Pack(int64_t key_head, int64_t begin, int64_t count, float* rows, int64_t stride) const {
  const auto row_at = [this](const Place& at) { return kernels::RowsOf(tensor_, at.batch, at.head, at.position, 1); };
  // Rows apart: every one would wait for memory on its own.
  for (int64_t i = begin; i < begin + count; ++i) kernels::Prefetch(row_at(PlaceOf(key_head, i)));
  for (int64_t i = begin; i < begin + count; ++i, rows += stride) {
    const Place at = PlaceOf(key_head, i);
    const kernels::Rows row = row_at(at);
    if (kernels::PackRows(row, 1.0f, /*clamp=*/true, rows, stride) == 0) {
      return NotFiniteError(name_, row, 0, at.batch, at.head, at.position);
    }
  }
  return absl::OkStatus();
}

}  // namespace favor::internal
