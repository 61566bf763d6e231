#ifndef FAVOR_PROJECTION_STRUCTURED_H_
#define FAVOR_PROJECTION_STRUCTURED_H_

#include <cstdint>

#include "absl/types/span.h"
#include "favor/projection/projection.h"

namespace favor::internal {

// Draws the factors of one block of a structured projection, p = StructuredSize(spec.head_dim): all `signs` [3][p], and
// `row_scales` of its first rows. They depend on the spec's norms and seed, on p and on the block; a row's scale also
// on the row; on nothing else. Hence the matrix of head_dim d is the first d columns of the one of head_dim p.
//
// The signs are the bits of Philox4x32-10: entry i of the 3 p is bit i mod 32 of word (i / 32) mod 4 from counter
// (i / 128, block, p, stream) under key (low, high half of seed); 0 is +1, 1 is -1.
void DrawStructuredFactors(const ProjectionSpec& spec, int64_t block, absl::Span<float> signs,
                           absl::Span<float> row_scales);

// Writes the rows that the factors of one block stand for: `rows` is row-major [row_scales.size(), head_dim]. Each
// entry is an integer of at most p^2 times its row's scale, a product that is exact in double, rounded once to float32.
void MultiplyStructuredFactors(absl::Span<const float> signs, absl::Span<const float> row_scales, int64_t head_dim,
                               absl::Span<float> rows);

}  // namespace favor::internal

#endif  // FAVOR_PROJECTION_STRUCTURED_H_
