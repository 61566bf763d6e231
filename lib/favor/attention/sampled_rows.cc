#include "favor/attention/sampled_rows.h"

#include <algorithm>

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
  sample_ = StratifiedRows::InSteps(num_rows, max_rows);
}

RowPlace SampledRows::PlaceOf(int64_t key_head, int64_t index) const {
  const int64_t row = sample_.Row(index);
  const int64_t segment = std::upper_bound(ends_.begin(), ends_.end(), row) - ends_.begin();
  return {segment / group_, key_head * group_ + segment % group_, row - (segment == 0 ? 0 : ends_[segment - 1])};
}

absl::Status SampledRows::Pack(int64_t key_head, int64_t begin, int64_t count, float* rows, int64_t stride) const {
  const auto place_at = [&](int64_t index) { return PlaceOf(key_head, index); };
  return PackScattered(name_, tensor_, begin, begin + count, place_at, rows, stride);
}

}  // namespace favor::internal
