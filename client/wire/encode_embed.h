#ifndef FAVOR_CLIENT_WIRE_ENCODE_EMBED_H_
#define FAVOR_CLIENT_WIRE_ENCODE_EMBED_H_

#include <cstdint>
#include <string>

#include "absl/types/span.h"
#include "client/embed.h"
#include "client/sequence_stream.h"
#include "client/tokenize.h"
#include "client/wire/message_builder.h"

// Nothing is judged here: the server is the one to say what is wrong with a request.
//
// These messages are written field by field, with no more of the generated code than its field numbers. Protobuf would
// print about text that is not UTF-8, where the server has an error for it; and the code generated for embedding.proto
// brings that of google.rpc along (see FieldReader).
namespace favor::client {

// The favor.v1.EmbedRequest of a call; long texts are borrowed by the builder.
MessageBuilder EncodeEmbedRequest(absl::Span<const EmbedInput> inputs, const EmbedOptions& options);

// Messages of favor.v1.EmbedStreamRequest, with the options, and with an input.
MessageBuilder EncodeEmbedStreamStart(const EmbedOptions& options);
MessageBuilder EncodeEmbedStreamInput(uint64_t id, const EmbedInput& input);
// Those of a stream that is one sequence: its beginning, its next tokens, and the question for the state.
MessageBuilder EncodeEmbedStreamSequence(const SequenceOptions& options);
MessageBuilder EncodeEmbedStreamTokens(absl::Span<const int32_t> ids);
MessageBuilder EncodeEmbedStreamGetState();

// The favor.v1.TokenizeRequest of a call; long texts are borrowed by the builder.
MessageBuilder EncodeTokenizeRequest(absl::Span<const std::string> texts, const TokenizeOptions& options);

}  // namespace favor::client

#endif  // FAVOR_CLIENT_WIRE_ENCODE_EMBED_H_
