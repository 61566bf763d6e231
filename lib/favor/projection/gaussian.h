#ifndef FAVOR_PROJECTION_GAUSSIAN_H_
#define FAVOR_PROJECTION_GAUSSIAN_H_

#include <cstdint>

#include "absl/types/span.h"

namespace favor::internal {

// What a draw is for; no two share random numbers. The values are part of what a seed means: never change one.
// kSigns draws bits, not Gaussians (structured.h).
enum class GaussianStream : uint32_t { kIid = 1, kDirections = 2, kNorms = 3, kStructuredNorms = 4, kSigns = 5 };

// A block of up to head_dim rows of a projection.
struct BlockKey {
  uint64_t seed = 0;
  GaussianStream stream = GaussianStream::kIid;
  int64_t head_dim = 0;
  int64_t block = 0;
};

// Fills `values`, of length head_dim, with the independent N(0, 1) numbers of one row of a block. They depend on the
// key and the row alone, bit for bit, on every machine.
//
// Box and Muller 1958 on Philox4x32-10: entries 2i and 2i + 1 come from counter (row * ceil(head_dim / 2) + i, block,
// head_dim, stream) under key (low, high half of seed). The first 64 random bits give the radius sqrt(-2 ln u), u = (k
// + 1/2) / 2^52 from their upper 52 bits (so no entry exceeds 8.6); of the other 64 the upper 2 give the quadrant and
// the 52 after them the angle within it.
void DrawGaussianRow(const BlockKey& key, int64_t row, absl::Span<double> values);

// The norm of that row: chi distributed with head_dim degrees of freedom.
double DrawChi(const BlockKey& key, int64_t row);

}  // namespace favor::internal

#endif  // FAVOR_PROJECTION_GAUSSIAN_H_
