#ifndef FAVOR_ATTENTION_NOT_FINITE_H_
#define FAVOR_ATTENTION_NOT_FINITE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "favor/kernels/pack.h"

namespace favor::internal {

// InvalidArgumentError for the first value of rows[row] that is NaN or infinite, as
// "keys[0, 3, 17, 5] is nan, must be finite" in [batch, head, position, dim]; `position` is that of rows[0].
absl::Status NotFiniteError(absl::string_view tensor, const kernels::Rows& rows, int64_t row, int64_t batch,
                            int64_t head, int64_t position);

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_NOT_FINITE_H_
