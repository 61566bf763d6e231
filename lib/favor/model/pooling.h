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

}  // namespace favor

#endif  // FAVOR_MODEL_POOLING_H_
