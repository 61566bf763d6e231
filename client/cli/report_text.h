#ifndef FAVOR_CLIENT_CLI_REPORT_TEXT_H_
#define FAVOR_CLIENT_CLI_REPORT_TEXT_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/attention_spec.h"

// How reports for people are written, the same in every command.
namespace favor::cli {

// "12.34 ms"
std::string Milliseconds(absl::Duration duration);

// "123 bytes", "45 kB", "24.0 MB"
std::string Bytes(int64_t bytes);

// A line of a section: two spaces, the name in a column of its own, the value.
std::string Line(absl::string_view name, absl::string_view value);

// "features, softmax kernel, positive estimator, 256 features, causal, scale 0.125"
std::string DescribeMode(const client::AttentionSpec& spec, int64_t num_features);

}  // namespace favor::cli

#endif  // FAVOR_CLIENT_CLI_REPORT_TEXT_H_
