#ifndef FAVOR_SERVER_CONVERT_EMBED_STREAM_CONVERSION_H_
#define FAVOR_SERVER_CONVERT_EMBED_STREAM_CONVERSION_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/convert/embed_request_conversion.h"

namespace favor {

// A message of the client in EmbedStream, taken apart by hand: Protobuf would refuse all of it for a text that is not
// UTF-8, which is an error of that input alone.
struct EmbedStreamMessage {
  enum class Kind : uint8_t { kNone, kStart, kInput, kSequence, kTokens, kGetState };
  Kind kind = Kind::kNone;
  uint64_t id = 0;         // of an input
  bool get_state = false;  // its value
  // The EmbedRequest, the EmbedInput, the Sequence or the TokenIds, within the message.
  absl::string_view body = {};
};

// InvalidArgumentError for bytes that are no such message.
absl::StatusOr<EmbedStreamMessage> ReadEmbedStreamMessage(absl::string_view message);

// What the first message of a stream, a `start`, asks for all its inputs. Every Status names the field.
absl::StatusOr<EmbedSettings> ReadEmbedStreamStart(const EmbedStreamMessage& message, const ModelRegistry& models);

// A later message, which must be an input.
absl::StatusOr<EmbedStreamMessage> ReadEmbedStreamInput(absl::string_view message);

}  // namespace favor

#endif  // FAVOR_SERVER_CONVERT_EMBED_STREAM_CONVERSION_H_
