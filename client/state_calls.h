#ifndef FAVOR_CLIENT_STATE_CALLS_H_
#define FAVOR_CLIENT_STATE_CALLS_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "client/attention_spec.h"
#include "client/attention_state.h"
#include "client/tensor.h"
#include "favor/tensor/data_type.h"

// What goes into Client::Fold, Merge and Read. Shapes are given in the default layout. `deadline` is for the one call,
// in place of ClientOptions::deadline.
namespace favor::client {

struct FoldInputs {
  TensorView keys;    // [batch, key heads, key_length, head_dim]
  TensorView values;  // [batch, key heads, key_length, value_dim]
};

struct FoldOptions {
  AttentionSpec spec = {};                             // what the state is for; with a `state` it must be the same
  std::optional<AttentionState> state = std::nullopt;  // to add to; unset: an empty one
  std::vector<int64_t> key_lengths = {};               // [batch]; empty: all
  StateEncoding encoding = StateEncoding::kUnspecified;
  std::optional<absl::Duration> deadline = std::nullopt;
};

struct MergeOptions {
  StateEncoding encoding = StateEncoding::kUnspecified;
  std::optional<absl::Duration> deadline = std::nullopt;
};

struct ReadOptions {
  std::optional<DataType> output_type = std::nullopt;  // unset: the queries' type
  std::optional<absl::Duration> deadline = std::nullopt;
};

}  // namespace favor::client

#endif  // FAVOR_CLIENT_STATE_CALLS_H_
