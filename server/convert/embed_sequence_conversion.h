#ifndef FAVOR_SERVER_CONVERT_EMBED_SEQUENCE_CONVERSION_H_
#define FAVOR_SERVER_CONVERT_EMBED_SEQUENCE_CONVERSION_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "favor/base/aligned_buffer.h"
#include "favor/model/encoder_state_codec.h"
#include "server/convert/embed_stream_conversion.h"

namespace favor {

// How a stream that is one sequence begins.
struct SequenceStart {
  // A state from outside, which has been checked as far as can be without reading its payload.
  struct State {
    EncoderStateHeader header;
    absl::string_view payload;  // within the message
  };
  EmbedSettings settings;
  EncoderStateDescription description;
  std::optional<State> state;
};

// The first message of such a stream. Every Status names the field. FailedPreconditionError for a state of another
// version or model.
absl::StatusOr<SequenceStart> ReadSequenceStart(const EmbedStreamMessage& message, const ModelRegistry& models);

// A later one. InvalidArgumentError, naming the field, unless it is `tokens` or `get_state`.
absl::Status CheckSequenceMessage(const EmbedStreamMessage& message);
// Its tokens. kBytesPerTokenByte: what that takes for each byte of the message, at most. An id of one byte takes 4 in a
// list that doubles as it grows, 4 in the result, and the message was made one piece: 17. An unknown field of two bytes
// takes 16 in such a list and a string of its own.
constexpr int64_t kBytesPerTokenByte = 48;
absl::StatusOr<std::vector<int32_t>> ReadTokens(const EmbedStreamMessage& message);

// An error of the library about ids or a "state", which it does not know the path of.
absl::Status AboutTokens(const absl::Status& status);
absl::Status AboutSequenceState(const absl::Status& status);

// The vectors of tokens on their way to the wire.
class SequenceVectors {
 public:
  // Coordinates past settings.options.dimensions are dropped. The settings must outlive it.
  SequenceVectors(const EmbedSettings* settings, int64_t num_tokens);
  // Upper bound of the bytes of the message, and of what it takes.
  static int64_t MaxBytes(const EmbedSettings& settings, int64_t num_tokens);

  // Before anything else. ResourceExhaustedError when there is no memory.
  absl::Status Allocate();
  // Writes tokens [begin, end) of vectors [num_tokens][dimensions of the encoder], which it changes. Different tokens
  // may be written at once.
  void Write(float* vectors, int64_t begin, int64_t end);

  // A serialised EmbedStreamResponse is the header, and behind it the data.
  std::string Header(uint64_t id) const;
  AlignedBuffer<std::byte> TakeData() { return std::move(data_); }

 private:
  const EmbedSettings* const settings_;
  const int64_t num_tokens_;
  const int64_t dimensions_;
  AlignedBuffer<std::byte> data_;
  std::vector<float> scale_;  // [num_tokens] of EMBEDDING_TYPE_I8, else empty
};

// A serialised EmbedStreamResponse with a state, in parts that make it one after the other.
std::vector<std::string> EncoderStateMessage(const EncoderStateHeader& header, std::string payload);
// Upper bound of what such a message has besides the payload.
constexpr int64_t kMaxEncoderStateHeaderBytes = 128;

}  // namespace favor

#endif  // FAVOR_SERVER_CONVERT_EMBED_SEQUENCE_CONVERSION_H_
