#ifndef FAVOR_ATTENTION_SCATTERED_ROWS_H_
#define FAVOR_ATTENTION_SCATTERED_ROWS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "favor/attention/not_finite.h"
#include "favor/kernels/pack.h"
#include "favor/tensor/tensor_view.h"

namespace favor::internal {

// Where a row lies in a tensor.
struct RowPlace {
  int64_t batch, head, position;
};

// Packs the rows at place_at(begin), ..., place_at(end - 1), a RowPlace each, into out, `stride` floats apart.
// InvalidArgumentError, naming the tensor and the place, for a row that is not finite.
template <typename PlaceAt>
absl::Status PackScattered(const char* name, const TensorView& tensor, int64_t begin, int64_t end,
                           const PlaceAt& place_at, float* out, int64_t stride) {
  const auto row_at = [&](const RowPlace& at) { return kernels::RowsOf(tensor, at.batch, at.head, at.position, 1); };
  // Every row would wait for memory on its own.
  for (int64_t i = begin; i < end; ++i) kernels::Prefetch(row_at(place_at(i)));
  for (int64_t i = begin; i < end; ++i, out += stride) {
    const RowPlace at = place_at(i);
    const kernels::Rows row = row_at(at);
    if (kernels::PackRows(row, 1.0f, /*clamp=*/true, out, stride) == 0) {
      return NotFiniteError(name, row, 0, at.batch, at.head, at.position);
    }
  }
  return absl::OkStatus();
}

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_SCATTERED_ROWS_H_
