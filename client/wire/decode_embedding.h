#ifndef FAVOR_CLIENT_WIRE_DECODE_EMBEDDING_H_
#define FAVOR_CLIENT_WIRE_DECODE_EMBEDDING_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "client/embed.h"

namespace favor::client {

// The vectors of a favor.v1.Embedding of any type as float32: exactly for the floats, integer times scale for int8.
// Sets vectors, num_vectors and dimensions. InternalError when the bytes are no such message or type, shape, data and
// scales do not fit together.
absl::Status DecodeEmbedding(absl::string_view bytes, EmbedResult* result);

}  // namespace favor::client

#endif  // FAVOR_CLIENT_WIRE_DECODE_EMBEDDING_H_
