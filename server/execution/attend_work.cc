#include "server/execution/attend_work.h"

namespace favor {

Strides StridesOf(AxisOrder order, const Shape& shape) {
  return order == AxisOrder::kBatchHeadsLengthDim ? BatchHeadsLengthDim(shape) : BatchLengthHeadsDim(shape);
}

}  // namespace favor
