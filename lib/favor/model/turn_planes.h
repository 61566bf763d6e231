#ifndef FAVOR_MODEL_TURN_PLANES_H_
#define FAVOR_MODEL_TURN_PLANES_H_

#include <cstdint>

#include "favor/kernels/elementwise.h"
#include "favor/kernels/tile.h"

namespace favor {

// The rows of a head that make plane j.
enum class Planes : uint8_t {
  kOfNeighbours,  // 2 j and 2 j + 1
  kOfHalves,      // j and j + head_dim / 2
};

// Rotary positions (Su et al. 2021): turns the planes of num_heads heads, one behind the other in a tile of queries or
// keys. cosines and sines are [head_dim / 2][kTile].
inline void TurnPlanes(float* heads, int64_t head_dim, int64_t num_heads, Planes planes, const float* cosines,
                       const float* sines) {
  const int64_t half = head_dim / 2;
  const bool neighbours = planes == Planes::kOfNeighbours;
  const int64_t step = neighbours ? 2 : 1, distance = neighbours ? 1 : half;
  for (int64_t head = 0; head < num_heads; ++head, heads += head_dim * kernels::kTile) {
    for (int64_t j = 0; j < half; ++j) {
      float* first = heads + j * step * kernels::kTile;
      kernels::Rotate(cosines + j * kernels::kTile, sines + j * kernels::kTile, first,
                      first + distance * kernels::kTile);
    }
  }
}

}  // namespace favor

#endif  // FAVOR_MODEL_TURN_PLANES_H_
