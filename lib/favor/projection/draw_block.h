#ifndef FAVOR_PROJECTION_DRAW_BLOCK_H_
#define FAVOR_PROJECTION_DRAW_BLOCK_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "favor/projection/projection.h"

namespace favor::internal {

// Draws the rows of one block: `rows` is row-major [num_rows, head_dim] with num_rows <= head_dim, the spec's kind
// orthogonal, simplex or iid. Law: row r of block b depends on the spec's kind, norms, seed and head_dim, on b and on
// r, on nothing else. So a projection of few features is the beginning of one of many, and blocks can be drawn in any
// order. ResourceExhaustedError when there is no memory for the work in double.
absl::Status DrawBlock(const ProjectionSpec& spec, int64_t block, absl::Span<float> rows);

}  // namespace favor::internal

#endif  // FAVOR_PROJECTION_DRAW_BLOCK_H_
