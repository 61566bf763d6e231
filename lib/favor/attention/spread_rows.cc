#include "favor/attention/spread_rows.h"

#include <algorithm>

#include "favor/attention/scattered_rows.h"
#include "favor/kernels/tile.h"

namespace favor::internal {

std::vector<Reader> SpreadReaders(const AttentionInputs& inputs, int64_t most) {
  std::vector<Reader> all, readers;
  for (int64_t batch = 0; batch < inputs.queries.shape.batch_size; ++batch) {
    if (inputs.NumQueries(batch) == 0 || inputs.NumKeys(batch) == 0) continue;
    for (int64_t head = 0; head < inputs.queries.shape.num_heads; ++head) all.push_back({batch, head});
  }
  const auto count = static_cast<int64_t>(all.size()), taken = std::min(count, most);
  for (int64_t i = 0; i < taken; ++i) readers.push_back(all[(2 * i + 1) * count / (2 * taken)]);
  return readers;
}

absl::Status PackSample(const char* name, const TensorView& tensor, int64_t batch, int64_t head,
                        const StratifiedRows& sample, float* out) {
  const auto place_at = [&](int64_t index) { return RowPlace{batch, head, sample.Row(index)}; };
  return PackScattered(name, tensor, 0, sample.count(), place_at, out, kernels::Padded(tensor.shape.dim));
}

}  // namespace favor::internal
