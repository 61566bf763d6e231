#ifndef FAVOR_CLIENT_WIRE_DECODE_EMBED_H_
#define FAVOR_CLIENT_WIRE_DECODE_EMBED_H_

#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/embed.h"
#include "client/sequence_stream.h"
#include "client/tokenize.h"

// Read field by field for the reason that encode_embed.h gives. Bound: 2 GiB.
namespace favor::client {

// Results and report of a favor.v1.EmbedResponse; the other fields are left alone. InternalError when the bytes are no
// such message, an embedding's data do not match its shape, or there are not `num_inputs` results.
absl::StatusOr<Embeddings> DecodeEmbedResponse(absl::string_view response, size_t num_inputs);

// The result of a favor.v1.EmbedStreamResponse. InternalError when the bytes are no such message.
absl::StatusOr<EmbedResult> DecodeEmbedStreamResponse(absl::string_view response);

// A favor.v1.EmbedStreamResponse of a stream that is one sequence. InternalError when the bytes are no such message, or
// it holds neither a result nor a state.
absl::StatusOr<SequenceAnswer> DecodeEmbedSequenceResponse(absl::string_view response);

// The favor.v1.TokenizeResponse. InternalError when the bytes are no such message, a text has not as many begins and
// ends as ids, or there are not `num_texts` results.
absl::StatusOr<std::vector<Tokens>> DecodeTokenizeResponse(absl::string_view response, size_t num_texts);

}  // namespace favor::client

#endif  // FAVOR_CLIENT_WIRE_DECODE_EMBED_H_
