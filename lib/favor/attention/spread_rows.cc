#include "favor/attention/spread_rows.h"

#include "favor/attention/not_finite.h"
#include "favor/kernels/pack.h"
#include "favor/kernels/tile.h"

namespace favor::internal {

absl::Status PackSpread(const char* name, const TensorView& tensor, int64_t batch, int64_t head, const Spread& spread,
                        float* out) {
  kernels::Rows rows = kernels::RowsOf(tensor, batch, head, spread.first, 1);
  rows.count = spread.count;
  rows.row_stride *= spread.step;
  kernels::Prefetch(rows);
  const int64_t finite = kernels::PackRows(rows, 1.0f, /*clamp=*/true, out, kernels::Padded(tensor.shape.dim));
  if (finite == spread.count) return absl::OkStatus();
  return NotFiniteError(name, rows, finite, batch, head, spread.first + finite * (spread.step - 1));
}

}  // namespace favor::internal
