#ifndef FAVOR_ATTENTION_STATISTICS_PHASES_H_
#define FAVOR_ATTENTION_STATISTICS_PHASES_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "favor/attention/attention.h"
#include "favor/base/cancellation.h"
#include "favor/base/job.h"
#include "favor/feature_map/statistics.h"

namespace favor::internal {

// Puts the statistics of one head to use; heads may come at once from different threads.
using UseHead = std::function<absl::Status(int64_t key_head, const HeadStatistics& statistics)>;

// Measures the statistics of every key head, each on the valid queries of its group and its valid keys, and puts them
// in `statistics` (its heads already there) and, where it is not null, to use. Products of rows are float32 sums of up
// to kFoldTile rows, relative to a row among them, everything beyond is float64 but distances from anchors; the order
// of all sums depends on shapes alone. Ends with InvalidArgumentError for a sampled row that is not finite.
std::vector<Phase> MeasurementPhases(const FeatureSpec& spec, double scale, const AttentionInputs& inputs,
                                     const Cancellation* cancellation, std::shared_ptr<Statistics> statistics,
                                     UseHead use);
// The same for anchors, several numbers of them, ascending, that share a sample: statistics[level].
std::vector<Phase> AnchorLevelPhases(const std::vector<int64_t>& nums_anchors, const AttentionInputs& inputs,
                                     const Cancellation* cancellation,
                                     std::vector<std::shared_ptr<Statistics>> statistics);
// Bytes that they hold at once, but for what they are put to.
int64_t MeasurementBytes(const FeatureSpec& spec, const AttentionInputs& inputs);

// Puts given statistics to use.
Phase UsePhase(std::shared_ptr<const Statistics> statistics, UseHead use, const Cancellation* cancellation);

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_STATISTICS_PHASES_H_
