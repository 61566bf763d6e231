#ifndef FAVOR_CLIENT_RESUMING_STREAM_H_
#define FAVOR_CLIENT_RESUMING_STREAM_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "client/attention_stream.h"
#include "client/client.h"

namespace favor::client {

// A piece of the sequence that owns its memory; which tensors, AttentionChunk tells.
struct OwnedChunk {
  std::optional<Tensor> queries = std::nullopt;
  std::optional<Tensor> keys = std::nullopt;
  std::optional<Tensor> values = std::nullopt;
};

struct ResumingStreamOptions {
  // The deadline is that of the whole, whatever happens; unset: none. `state`, if any, must bring back the same bits
  // (StateEncoding) if the same bits are wanted. report_every_chunk is always on.
  AttendStreamOptions stream = {};
  // The state is asked for, as a checkpoint, after so many chunks, and earlier after max_kept_bytes / 2 of them. What
  // was sent since the last one is kept: at most twice as many chunks, and max_kept_bytes and a chunk.
  int64_t checkpoint_every = 16;
  int64_t max_kept_bytes = int64_t{256} << 20;
  // Read() brings checkpoints too, each behind the answers to all chunks it holds.
  bool give_checkpoints = false;
  // A server that owes an answer for so long counts as gone; that it takes the state to begin with, and ends the stream
  // after the last answer, is owed too. It must be more than a chunk, or the state's way there, takes on a busy server.
  absl::Duration answer_timeout = absl::Minutes(1);
  // Attempts one after the other that may fail without bringing anything new.
  int max_attempts = 20;
  // Once all servers have failed, round n (from 0) waits initial_backoff * 2^n, max_backoff at most, times a random
  // factor between 0.5 and 1. A server that says when to come back (google.rpc.RetryInfo) is left alone until then.
  absl::Duration initial_backoff = absl::Milliseconds(100);
  absl::Duration max_backoff = absl::Seconds(5);
  // Told why a stream broke that is about to be gone on with. From a thread of its own; must not call the stream.
  std::function<void(const absl::Status& why)> on_break = nullptr;
};

// AttendStream over replicas: when the server dies, drains or has no room, another one goes on from the last
// checkpoint. Chunks since then are sent again, answers that the caller has had are dropped, and the others are the
// same bits as without the break, as long as the servers have CPUs of the same kind.
//
// Used as AttentionStream is, by one thread that sends and one that reads: what was sent is sent ahead of answers, as
// far as the bounds above allow, and then waits for Read(). A break is UNAVAILABLE, RESOURCE_EXHAUSTED with RetryInfo,
// a server that cancels or gives up waiting (CANCELLED, DEADLINE_EXCEEDED before the deadline), or a connection that
// is reset, or an answer that does not come (answer_timeout); any other error ends the stream. What lies in the socket
// of a server that reads nothing holds it up for another 20 to 30 s (Client::Attend).
class ResumingStream {
 public:
  // `servers`, in the order they are tried, are replicas; at least one. Nothing is sent before the first chunk. Of
  // options that make no sense Read() tells.
  explicit ResumingStream(std::vector<Client> servers, ResumingStreamOptions options = {});
  ResumingStream(ResumingStream&&) noexcept;
  ResumingStream& operator=(ResumingStream&&) noexcept;
  // Ends the call, whatever is under way.
  ~ResumingStream();

  // Sends the next chunk, as soon as there is room. False once the stream has ended: Read() tells why.
  bool Send(OwnedChunk chunk);
  // Bidirectional: no more keys follow; queries may.
  bool EndOfKeys();
  // Asks for the state after all chunks before, beside the checkpoints. There must have been one, or a state to begin
  // with.
  bool GetState(StateEncoding encoding = StateEncoding::kUnspecified);
  void SendNoMore();

  // The next answer: one to each chunk, with its report and, if it has queries, output; one to each GetState. Nothing
  // after the last.
  absl::StatusOr<std::optional<StreamAnswer>> Read();

  // Once Read() has returned nothing: the report of the last chunk, with rows and times of all.
  AttendReport report() const;
  // How often another stream went on so far.
  int64_t num_resumes() const;

  void Cancel();

 private:
  class Impl;

  std::unique_ptr<Impl> impl_;
};

// Connections to replicas: `options` for each of `endpoints`. keepalive_time is one minute at most.
// InvalidArgumentError for an empty list; else as Client::Connect.
absl::StatusOr<std::vector<Client>> ConnectAll(ClientOptions options, absl::Span<const std::string> endpoints);

}  // namespace favor::client

#endif  // FAVOR_CLIENT_RESUMING_STREAM_H_
