#include "favor/model/pooling.h"

#include <cmath>

namespace favor {

void Normalize(float* vector, int64_t dimensions) {
  double squares = 0;
  for (int64_t d = 0; d < dimensions; ++d) squares += static_cast<double>(vector[d]) * vector[d];
  if (squares == 0) return;
  const double factor = 1 / std::sqrt(squares);
  for (int64_t d = 0; d < dimensions; ++d) vector[d] = static_cast<float>(vector[d] * factor);
}

}  // namespace favor
