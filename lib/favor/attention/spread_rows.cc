#include "favor/attention/spread_rows.h"

#include <algorithm>

#include "favor/attention/not_finite.h"
#include "favor/kernels/pack.h"
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
  const int64_t stride = kernels::Padded(tensor.shape.dim);
  const auto row_at = [&](int64_t index) { return kernels::RowsOf(tensor, batch, head, sample.Row(index), 1); };
  // Rows apart: every one would wait for memory on its own.
  for (int64_t i = 0; i < sample.count(); ++i) kernels::Prefetch(row_at(i));
  for (int64_t i = 0; i < sample.count(); ++i, out += stride) {
    const kernels::Rows row = row_at(i);
    if (kernels::PackRows(row, 1.0f, /*clamp=*/true, out, stride) == 0) {
      return NotFiniteError(name, row, 0, batch, head, sample.Row(i));
    }
  }
  return absl::OkStatus();
}

}  // namespace favor::internal
