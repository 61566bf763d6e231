#ifndef FAVOR_ATTENTION_VALIDATE_H_
#define FAVOR_ATTENTION_VALIDATE_H_

#include "absl/status/status.h"
#include "favor/attention/attention.h"

namespace favor::internal {

// InvalidArgumentError naming field, value and bound for the first thing that does not fit. Parameters of feature maps
// are FeatureMap::Create's to check.
absl::Status ValidateAttention(const AttentionSpec& spec, const AttentionInputs& inputs,
                               const MutableTensorView& output);

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_VALIDATE_H_
