#ifndef FAVOR_ATTENTION_CALIBRATION_H_
#define FAVOR_ATTENTION_CALIBRATION_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "favor/attention/attention.h"
#include "favor/base/cancellation.h"
#include "favor/base/job.h"
#include "favor/feature_map/statistics.h"

namespace favor {

// Plans the measurement of statistics on a sample of queries [batch, heads, query_length, head_dim] and keys [batch,
// key_heads, key_length, head_dim], for calls that cannot measure their own: a causal one, a stream, a fold. Of
// `inputs` it takes those two and their lengths. The spec's features must be ones that use statistics; their own are
// not looked at, and neither is whether the spec is causal. The same statistics as a bidirectional call on the same
// queries and keys measures, bit for bit. Inputs, the memory behind them and `cancellation` (may be null) must outlive
// the job, which fills `statistics` in.
//
// InvalidArgumentError, naming field, value and bound, for shapes or parameters that do not fit; a row that is not
// finite ends the job with InvalidArgumentError naming tensor and position.
absl::StatusOr<Job> PlanCalibration(const AttentionSpec& spec, const AttentionInputs& inputs,
                                    const Cancellation* cancellation, std::shared_ptr<Statistics> statistics);

// Upper bound of the memory, in bytes, that the planned job holds at once, that of the statistics included.
int64_t CalibrationBytes(const AttentionSpec& spec, const AttentionInputs& inputs);

}  // namespace favor

#endif  // FAVOR_ATTENTION_CALIBRATION_H_
