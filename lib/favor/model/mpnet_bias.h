#ifndef FAVOR_MODEL_MPNET_BIAS_H_
#define FAVOR_MODEL_MPNET_BIAS_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "favor/attention/relative_bias.h"

namespace favor {

// Distances that share a bias (Raffel et al. 2020, with MPNet's sizes): each up to 7 has its own, those up to 128 share
// ever wider ones, the rest the last; keys behind the query the upper half of them.
constexpr int64_t kMpnetBuckets = 32;
int64_t MpnetBucket(int64_t distance);

// What MPNet (Song et al. 2020) adds to the scores of all its layers, of a table [kMpnetBuckets][num_heads].
absl::StatusOr<RelativeBias> MpnetBias(const float* table, int64_t num_heads, int64_t max_length);

}  // namespace favor

#endif  // FAVOR_MODEL_MPNET_BIAS_H_
