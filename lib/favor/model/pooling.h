#ifndef FAVOR_MODEL_POOLING_H_
#define FAVOR_MODEL_POOLING_H_

#include <cstdint>

namespace favor {

// Which token vectors become the embedding.
enum class Pooling : uint8_t {
  kMean,
  kCls,   // the first
  kLast,  // the last
  kMax,   // coordinate by coordinate
  kNone,  // all of them
};

// Scales a vector to length 1, in double; a zero vector stays.
void Normalize(float* vector, int64_t dimensions);

}  // namespace favor

#endif  // FAVOR_MODEL_POOLING_H_
