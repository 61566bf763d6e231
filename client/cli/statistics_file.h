#ifndef FAVOR_CLIENT_CLI_STATISTICS_FILE_H_
#define FAVOR_CLIENT_CLI_STATISTICS_FILE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/attention_spec.h"
#include "client/cli/json.h"

namespace favor::cli {

// {"heads": [{"key_shift": [...], "query_transform": [...], "proposal": [...]}, ...]}, as a report prints it.
Json StatisticsToJson(const client::Statistics& statistics);

// Writes that. InternalError for a file that cannot be written.
absl::Status WriteStatistics(const std::string& path, const client::Statistics& statistics);

// Reads that; other fields beside "heads" are left alone. NotFoundError for a file that cannot be read,
// InvalidArgumentError for one that holds anything else.
absl::StatusOr<client::Statistics> ReadStatistics(const std::string& path);

}  // namespace favor::cli

#endif  // FAVOR_CLIENT_CLI_STATISTICS_FILE_H_
