#ifndef FAVOR_CLIENT_SHARDED_ATTENTION_H_
#define FAVOR_CLIENT_SHARDED_ATTENTION_H_

#include <cstdint>
#include <functional>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "client/attention_spec.h"
#include "client/attention_state.h"
#include "client/client.h"
#include "client/resuming_stream.h"
#include "favor/tensor/data_type.h"

namespace favor::client {

// One sequence that is too long for one call, or for one server. The functions are called from several threads at once.
struct ShardedInputs {
  int64_t key_length = 0;
  int64_t query_length = 0;
  // Keys and values of tokens [begin, begin + count), no more and no less, four axes in the spec's layout.
  std::function<absl::StatusOr<OwnedChunk>(int64_t begin, int64_t count)> keys;
  // Queries of tokens [begin, begin + count). May be unset, as `put`, when query_length is 0.
  std::function<absl::StatusOr<OwnedChunk>(int64_t begin, int64_t count)> queries;
  // Takes their output. One call at a time, tokens in any order.
  std::function<absl::Status(int64_t begin, const Tensor& output)> put;
};

struct ShardOptions {
  AttentionSpec spec = {};  // not causal
  // Parts of the keys, folded at the same time. Their number and the length of a chunk decide the bits of the answer,
  // which differ from those of one server by rounding; which servers do the work does not. 0: one for each server.
  int64_t num_parts = 0;
  int64_t chunk = 1024;      // tokens of a call
  int calls_per_server = 1;  // at once
  std::optional<DataType> output_type = std::nullopt;
  absl::Duration deadline = absl::InfiniteDuration();  // of the whole
  // Failures of a server one after the other, each followed by a wait as in ResumingStreamOptions, until it is left
  // out.
  int max_attempts = 10;
  absl::Duration initial_backoff = absl::Milliseconds(100);
  absl::Duration max_backoff = absl::Seconds(5);
  // Told how many tokens, keys and queries alike, are done. One call at a time, from any thread.
  std::function<void(int64_t num_done)> on_progress = nullptr;
  // Told which server has folded or read a chunk. One call at a time, from any thread.
  std::function<void(const Client& server)> on_answer = nullptr;
  // Told why a call failed that is about to be made again. One call at a time, from any thread.
  std::function<void(const absl::Status& why)> on_failure = nullptr;
};

// Bidirectional attention of one sequence over several servers: each folds a part of the keys, the states are merged,
// and all read the whole with queries. What a server that dies had under way is done by another one. Servers that were
// connected with few retries of their own are left sooner. Blocks; takes a thread for each call at once.
//
// Returns the state of all keys. InvalidArgumentError for options that make no sense and for functions that are unset
// or bring other tokens than those asked for; a status of theirs is passed on. The first error that no other server
// would mend ends it; when every server has failed max_attempts times in a row, that of the last one.
absl::StatusOr<AttentionState> AttendInShards(absl::Span<const Client> servers, const ShardedInputs& inputs,
                                              const ShardOptions& options);

}  // namespace favor::client

#endif  // FAVOR_CLIENT_SHARDED_ATTENTION_H_
