#ifndef FAVOR_ATTENTION_SQUARED_DISTANCE_H_
#define FAVOR_ATTENTION_SQUARED_DISTANCE_H_

#include <cstdint>

namespace favor::internal {

// |a - b|^2 of two rows, in double precision.
inline double SquaredDistance(const float* a, const float* b, int64_t dim) {
  double sum = 0;
  for (int64_t c = 0; c < dim; ++c) sum += (double{a[c]} - b[c]) * (double{a[c]} - b[c]);
  return sum;
}

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_SQUARED_DISTANCE_H_
