#ifndef FAVOR_SERVER_CONVERT_STATISTICS_CONVERSION_H_
#define FAVOR_SERVER_CONVERT_STATISTICS_CONVERSION_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "favor/feature_map/feature_spec.h"
#include "favor/feature_map/statistics.h"
#include "favor/v1/attention.pb.h"
#include "server/convert/projection_conversion.h"

namespace favor {

// Reads spec.features.statistics for features that are otherwise known. Sizes and single numbers are checked; whether
// matrices can be inverted shows when they are put to use. Every Status names the field.
absl::StatusOr<std::shared_ptr<const Statistics>> ReadStatistics(const v1::Statistics& wire,
                                                                 const FeatureSpec& features, const SpecSizes& sizes);

void WriteStatistics(const Statistics& statistics, v1::Statistics* wire);

// Bytes that statistics take in a message, and about as many as they take in memory.
int64_t StatisticsBytes(const Statistics& statistics);
// An upper bound for statistics that are yet to be measured.
int64_t MaxStatisticsBytes(const FeatureSpec& features, const SpecSizes& sizes);

// An error of the library about "statistics.heads[0]...", which does not know the path of the spec, as one about that
// field; any other status as it is.
absl::Status AboutStatistics(const absl::Status& status);

}  // namespace favor

#endif  // FAVOR_SERVER_CONVERT_STATISTICS_CONVERSION_H_
