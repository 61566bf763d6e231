#ifndef FAVOR_CLIENT_ATTEND_H_
#define FAVOR_CLIENT_ATTEND_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/attention_spec.h"
#include "client/tensor.h"
#include "favor/tensor/data_type.h"

namespace favor::client {

// The tensors of Attend, shapes in the default layout. All three have the same layout.
struct AttendInputs {
  TensorView queries;  // [batch, heads, query_length, head_dim]
  TensorView keys;     // [batch, key heads, key_length, head_dim]; key heads divide heads
  TensorView values;   // [batch, key heads, key_length, value_dim]
};

struct AttendOptions {
  AttentionSpec spec = {};
  std::vector<int64_t> query_lengths = {};             // [batch]; empty: all
  std::vector<int64_t> key_lengths = {};               // [batch]; empty: all
  std::vector<int64_t> query_offsets = {};             // packed sequences
  std::vector<int64_t> key_offsets = {};               // packed sequences
  std::optional<DataType> output_type = std::nullopt;  // unset: the queries' type
  uint32_t measure_error_rows = 0;
  // For this call, in place of ClientOptions::deadline.
  std::optional<absl::Duration> deadline = std::nullopt;
};

// A sample of queries and keys to measure statistics on, both of the same layout.
struct CalibrateInputs {
  TensorView queries;  // [batch, heads, query_length, head_dim]
  TensorView keys;     // [batch, key heads, key_length, head_dim]; key heads divide heads
};

struct ErrorEstimate {
  double relative_error = 0;
  double lower = 0;
  double upper = 0;
  double mean_of_values_error = 0;
  int64_t num_rows = 0;
};

// What ran on the server, and how it went.
struct AttendReport {
  AttentionSpec spec = {};         // every default filled in; a supplied matrix left out
  std::string projection_id = "";  // empty when no projection took part
  int64_t num_features = 0;
  int64_t degenerate_rows = 0;
  absl::Duration queue_time;
  absl::Duration compute_time;
  std::string server_version = "";
  std::string cpu_target = "";
  std::optional<Statistics> statistics = std::nullopt;          // that the call measured; unset where they were given
  std::optional<ErrorEstimate> predicted_error = std::nullopt;  // of approximations of softmax attention
  std::optional<ErrorEstimate> measured_error = std::nullopt;
  bool error_bound_missed = false;
  std::string reason = "";  // mode `auto`: why this way was taken
};

struct AttendResult {
  Tensor output;  // [batch, heads, query_length, value_dim], axes in the request's layout
  AttendReport report = {};
  absl::Duration round_trip;  // of the attempt that succeeded, encoding and decoding included
  int num_attempts = 0;
  int64_t request_bytes = 0;
  int64_t response_bytes = 0;
};

}  // namespace favor::client

#endif  // FAVOR_CLIENT_ATTEND_H_
