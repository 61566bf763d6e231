#ifndef FAVOR_ATTENTION_STATISTICS_PHASES_H_
#define FAVOR_ATTENTION_STATISTICS_PHASES_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "favor/attention/attention.h"
#include "favor/base/cancellation.h"
#include "favor/base/job.h"
#include "favor/feature_map/head_transforms.h"
#include "favor/feature_map/statistics.h"

namespace favor::internal {

// Rows of queries, and of keys, that the statistics of a head of this dimension are measured on at most: every n-th of
// all sequences and query heads of the key head. A covariance needs some rows per coordinate, not all of a long
// sequence: with 5 per coordinate errors on a trained model's layers were those with all rows.
constexpr int64_t MaxSampledRows(int64_t head_dim) { return head_dim > 64 ? 8 * head_dim : 512; }

// Measures the statistics of every key head, each on the valid queries of its group and its valid keys, and puts them
// in `statistics` (its heads already there) and, where they are not null, `transforms`. Products of rows are float32
// sums of up to kFoldTile rows, relative to a row among them, everything beyond is float64; the order of all sums
// depends on shapes alone. Ends with InvalidArgumentError for a sampled row that is not finite.
std::vector<Phase> MeasurementPhases(const FeatureSpec& spec, double scale, const AttentionInputs& inputs,
                                     const Cancellation* cancellation, std::shared_ptr<Statistics> statistics,
                                     std::shared_ptr<HeadTransforms> transforms);
// Bytes that they hold at once, that of the transforms apart.
int64_t MeasurementBytes(const AttentionInputs& inputs);

// Sets transforms to given statistics.
Phase TransformsPhase(std::shared_ptr<const Statistics> statistics, std::shared_ptr<HeadTransforms> transforms,
                      const Cancellation* cancellation);

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_STATISTICS_PHASES_H_
