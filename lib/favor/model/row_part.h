#ifndef FAVOR_MODEL_ROW_PART_H_
#define FAVOR_MODEL_ROW_PART_H_

#include <cstdint>

namespace favor {

// Part `index` of `count` about equal ones of the rows of a dense layer: several threads can share a layer then, each
// of which reads its own weights.
struct RowPart {
  int64_t index = 0;
  int64_t count = 1;
};

}  // namespace favor

#endif  // FAVOR_MODEL_ROW_PART_H_
