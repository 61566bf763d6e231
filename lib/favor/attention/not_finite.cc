#include "favor/attention/not_finite.h"

#include <cmath>

#include "absl/strings/str_cat.h"

namespace favor::internal {

absl::Status NotFiniteError(absl::string_view tensor, const kernels::Rows& rows, int64_t row, int64_t batch,
                            int64_t head, int64_t position) {
  const int64_t size = SizeOf(rows.type);
  const std::byte* first = rows.first + row * rows.row_stride * size;
  for (int64_t l = 0; l < rows.dim; ++l) {
    const float value = kernels::LoadValue(first + l * rows.dim_stride * size, rows.type);
    if (std::isfinite(value)) continue;
    return absl::InvalidArgumentError(absl::StrCat(tensor, "[", batch, ", ", head, ", ", position + row, ", ", l,
                                                   "] is ", value, ", must be finite"));
  }
  return absl::InternalError(absl::StrCat(tensor, " was found not finite, but is"));
}

}  // namespace favor::internal
