#ifndef FAVOR_CLIENT_SEQUENCE_STREAM_H_
#define FAVOR_CLIENT_SEQUENCE_STREAM_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "client/embed.h"

namespace favor::client {

// A sequence after some tokens: what a causal Performer carries from one to the next, a favor.v1.EncoderState as a
// server gave it, constant in size. Any server with the same weights goes on from it. Whether it is whole only a server
// tells, by its checksum. docs/encoder_state.md has every byte. A value, cheap to copy. Thread-safe.
class SequenceState {
 public:
  // InvalidArgumentError when the bytes are no such message.
  static absl::StatusOr<SequenceState> Parse(std::string serialized);
  // The same of a file, which holds the serialised message and nothing else. Errors name the file.
  static absl::StatusOr<SequenceState> Load(const std::string& path);
  // Writes such a file. It appears, or replaces another, all at once.
  absl::Status Save(const std::string& path) const;

  // The message's bytes.
  const std::string& serialized() const { return data_->serialized; }
  // Of the weights it belongs to.
  const std::string& model_id() const { return data_->model_id; }
  // That the sequence has had.
  int64_t num_tokens() const { return data_->num_tokens; }

  friend bool operator==(const SequenceState& a, const SequenceState& b) { return a.serialized() == b.serialized(); }

 private:
  struct Data {
    std::string serialized;
    std::string model_id;
    int64_t num_tokens = 0;
  };
  explicit SequenceState(std::shared_ptr<const Data> data) : data_(std::move(data)) {}

  std::shared_ptr<const Data> data_;  // never null
};

struct SequenceOptions {
  std::string model = "";                                   // empty: the only one loaded
  std::optional<bool> normalize = std::nullopt;             // unset: as the model says
  EmbeddingType output_type = EmbeddingType::kUnspecified;  // on the wire
  int64_t dimensions = 0;                                   // keeps the first so many coordinates; 0: all
  std::optional<SequenceState> state = std::nullopt;        // to go on from; unset: the beginning
  // For the whole stream, in place of ClientOptions::deadline.
  std::optional<absl::Duration> deadline = std::nullopt;
};

// One to each Send() and to each GetState(), in their order: one of the two.
struct SequenceAnswer {
  std::optional<EmbedResult> result = std::nullopt;  // a vector for each token
  std::optional<SequenceState> state = std::nullopt;
  int64_t first_token = 0;  // of a result: tokens that the sequence had before
};

// One sequence, of any length, through a causal Performer, its tokens as they come, in one call to one server:
//
//   client::SequenceStream stream = client.EmbedSequence({.model = "proteins"});
//   std::thread sender([&] {
//     while (NextTokens(&ids) && stream.Send(ids)) {}
//     stream.GetState();
//     stream.SendNoMore();
//   });
//   while (true) {
//     absl::StatusOr<std::optional<client::SequenceAnswer>> answer = stream.Read();
//     if (!answer.ok() || !*answer) break;
//     ...
//   }
//   sender.join();
//
// Vectors are those of the whole however it is cut, and the same bits when another stream goes on from a state. The
// server computes one message, holds one more, and then lets a client wait until it takes answers. So one thread sends
// and another one reads. What is wrong with tokens ends the stream; what breaks is not tried again. Thread-safe between
// one thread that sends and one that reads; Cancel() is for any thread.
class SequenceStream {
 public:
  SequenceStream(SequenceStream&&) noexcept;
  SequenceStream& operator=(SequenceStream&&) noexcept;
  // Ends the call, whatever is under way.
  ~SequenceStream();

  // These send a message, in their order; false once the call has ended: Read() tells why.
  bool Send(absl::Span<const int32_t> ids);
  // Asks for the state after all tokens before.
  bool GetState();
  // To be called at the end, if the answers to all that was sent are wanted.
  void SendNoMore();

  // The next answer; nothing after the last. An error is that of the call, which has ended then.
  absl::StatusOr<std::optional<SequenceAnswer>> Read();

  void Cancel();

 private:
  friend class Client;
  class Impl;
  explicit SequenceStream(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace favor::client

#endif  // FAVOR_CLIENT_SEQUENCE_STREAM_H_
