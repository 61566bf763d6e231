#ifndef FAVOR_CLIENT_EMBEDDING_STREAM_H_
#define FAVOR_CLIENT_EMBEDDING_STREAM_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/embed.h"

namespace favor::client {

// Embeddings of inputs as they come, in one call of any length:
//
//   client::EmbeddingStream stream = client.EmbedStream({.model = "minilm"});
//   std::thread sender([&] {
//     while (NextLine(&line) && stream.Send(line)) {}
//     stream.SendNoMore();
//   });
//   while (true) {
//     absl::StatusOr<std::optional<client::EmbedResult>> result = stream.Read();
//     if (!result.ok() || !*result) break;
//     ...
//   }
//   sender.join();
//
// While results are not read, Send() waits once HTTP/2's windows are full: megabytes of inputs, of short texts some
// hundred thousand. So one thread sends, another reads, unless no more than 500 inputs are under way. A stream that
// breaks is not tried again. Thread-safe between one thread that sends and one that reads; Cancel() is for any thread.
class EmbeddingStream {
 public:
  EmbeddingStream(EmbeddingStream&&) noexcept;
  EmbeddingStream& operator=(EmbeddingStream&&) noexcept;
  // Ends the call, whatever is under way.
  ~EmbeddingStream();

  // Sends the next input. False once the call has ended: Read() tells why.
  bool Send(const EmbedInput& input);
  // To be called after the last input, if the results of all of them are wanted.
  void SendNoMore();

  // The result of the next input, in their order; what is wrong with an input is the status of its result. Nothing
  // after the last one. An error is that of the call, which has ended then.
  absl::StatusOr<std::optional<EmbedResult>> Read();

  void Cancel();

 private:
  friend class Client;
  class Impl;
  explicit EmbeddingStream(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace favor::client

#endif  // FAVOR_CLIENT_EMBEDDING_STREAM_H_
