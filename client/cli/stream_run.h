#ifndef FAVOR_CLIENT_CLI_STREAM_RUN_H_
#define FAVOR_CLIENT_CLI_STREAM_RUN_H_

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "client/cli/row_output.h"
#include "client/cli/row_source.h"
#include "client/resuming_stream.h"

namespace favor::cli {

// A long input through a stream, to its end: a thread reads and sends, the caller's writes what comes back.
class StreamRun {
 public:
  struct Plan {
    bool causal = true;
    int64_t chunk = 0;            // tokens
    int64_t first_token = 0;      // of the keys; those before are in the state that the stream starts from
    bool wants_state = false;     // at the end
    std::string checkpoint_file;  // empty: none
  };

  // None is owned; `source` and `output` are used until Run() returns.
  StreamRun(client::ResumingStream* stream, RowSource* source, RowOutput* output, Plan plan)
      : stream_(*stream), source_(*source), output_(*output), plan_(std::move(plan)) {}

  // The first error of the source, the stream, the output or the checkpoint file.
  absl::Status Run();

  // Tokens that are done: of keys and, where they come by themselves, of queries. For any thread.
  int64_t tokens_done() const { return tokens_done_; }
  int64_t chunks_done() const { return chunks_done_; }
  // What there is to do; -1: only the end will tell.
  int64_t total_tokens() const;

  // After Run(): the state at the end, if it was wanted.
  const std::optional<client::AttentionState>& state() const { return state_; }

 private:
  absl::Status SendAll();
  absl::Status SendRows(RowSource::Rows rows, int64_t begin, int64_t length);
  absl::Status ReceiveAll();
  absl::Status Take(client::StreamAnswer answer);
  int64_t NumQueries(const client::Tensor& output) const;

  client::ResumingStream& stream_;
  RowSource& source_;
  RowOutput& output_;
  const Plan plan_;
  std::optional<client::AttentionState> state_;
  int64_t keys_done_ = 0, queries_done_ = 0;  // of the receiving thread
  std::atomic<int64_t> tokens_done_ = 0;
  std::atomic<int64_t> chunks_done_ = 0;
};

}  // namespace favor::cli

#endif  // FAVOR_CLIENT_CLI_STREAM_RUN_H_
