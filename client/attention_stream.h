#ifndef FAVOR_CLIENT_ATTENTION_STREAM_H_
#define FAVOR_CLIENT_ATTENTION_STREAM_H_

#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/attend.h"
#include "client/attention_spec.h"
#include "client/attention_state.h"
#include "client/tensor.h"
#include "favor/tensor/data_type.h"

namespace favor::client {

struct AttendStreamOptions {
  // What to compute. Unset: what `state` is for, and without one all defaults.
  std::optional<AttentionSpec> spec = std::nullopt;
  std::optional<AttentionState> state = std::nullopt;  // to go on from; unset: an empty one
  std::optional<DataType> output_type = std::nullopt;  // unset: the queries' type
  bool report_every_chunk = false;                     // with the answer of each; then chunks of keys have one too
  // For the whole stream, in place of ClientOptions::deadline.
  std::optional<absl::Duration> deadline = std::nullopt;
};

// A piece of the sequence, of any length. Causal: all three tensors. Bidirectional: keys and values; after EndOfKeys()
// queries alone.
struct AttentionChunk {
  std::optional<TensorView> queries = std::nullopt;  // [batch, heads, length, head_dim]
  std::optional<TensorView> keys = std::nullopt;     // [batch, key heads, length, head_dim]
  std::optional<TensorView> values = std::nullopt;   // [batch, key heads, length, value_dim]
};

// An answer of the server: one to each chunk that has queries, or whose report was asked for, and one to each GetState,
// in their order; at the very end a report of the whole by itself.
struct StreamAnswer {
  std::optional<Tensor> output = std::nullopt;  // [batch, heads, length, value_dim], axes as in the spec's layout
  std::optional<AttentionState> state = std::nullopt;
  std::optional<AttendReport> report = std::nullopt;
};

// Attention of a sequence of any length, chunk by chunk, in one call to one server:
//
//   client::AttentionStream stream = client.AttendStream({.spec = client::AttentionSpec{.causal = true}});
//   std::thread sender([&] {
//     while (NextChunk(&chunk) && stream.Send(chunk)) {}
//     stream.SendNoMore();
//   });
//   while (true) {
//     absl::StatusOr<std::optional<client::StreamAnswer>> answer = stream.Read();
//     if (!answer.ok() || !*answer) break;
//     ...
//   }
//   sender.join();
//
// The server computes one chunk, holds one more, and then lets a client wait until it takes answers. So one thread
// sends and another one reads. What breaks is not tried again: see ResumingStream (resuming_stream.h). Thread-safe
// between one thread that sends and one that reads; Cancel() is for any thread.
class AttentionStream {
 public:
  AttentionStream(AttentionStream&&) noexcept;
  AttentionStream& operator=(AttentionStream&&) noexcept;
  // Ends the call, whatever is under way.
  ~AttentionStream();

  // These send a message, in their order; false once the call has ended: Read() tells why. Tensors are sent without
  // being copied, and nothing reads them any more after the return.
  bool Send(const AttentionChunk& chunk);
  // Bidirectional: no more keys follow; queries may.
  bool EndOfKeys();
  // Asks for the state after all chunks before.
  bool GetState(StateEncoding encoding = StateEncoding::kUnspecified);
  // To be called at the end, if the answers to all that was sent are wanted.
  void SendNoMore();

  // The next answer; nothing after the last. An error is that of the call, which has ended then.
  absl::StatusOr<std::optional<StreamAnswer>> Read();

  void Cancel();

 private:
  friend class Client;
  friend class ResumingStream;
  class Impl;
  explicit AttentionStream(std::unique_ptr<Impl> impl);
  // The first message, which takes as long as the server takes to read a state.
  bool Start(const AttendStreamOptions& options);

  std::unique_ptr<Impl> impl_;
};

}  // namespace favor::client

#endif  // FAVOR_CLIENT_ATTENTION_STREAM_H_
