#ifndef FAVOR_SERVER_CONVERT_EMBED_RESPONSE_CONVERSION_H_
#define FAVOR_SERVER_CONVERT_EMBED_RESPONSE_CONVERSION_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "server/convert/embed_request_conversion.h"
#include "server/execution/embed_work.h"

namespace favor {

// Everything that an answer is made of.
struct EmbedAnswer {
  EmbedSettings settings;
  std::vector<absl::Status> errors;  // [num_inputs], OK where there is a vector
  EmbedOutcome outcome;
};

// Bytes of one coordinate.
int64_t SizeOf(v1::EmbeddingType type);
// Writes vectors of `dimensions` coordinates as Embedding.data has them, and with EMBEDDING_TYPE_I8 the scale of each.
void WriteVectors(v1::EmbeddingType type, absl::Span<const float> values, int64_t dimensions, char* data, float* scale);

// Upper bound of the bytes of an answer, before anything is computed.
int64_t MaxEmbedResponseBytes(const EmbedSettings& settings, const std::vector<EmbedInput>& inputs,
                              const std::vector<absl::Status>& errors);

// Upper bound of the bytes of EmbedResultsPart() for one input of so many rows.
int64_t MaxEmbedResultBytes(const EmbedSettings& settings, int64_t num_rows, const absl::Status& error);

// A serialised EmbedResponse with the results of inputs [begin, end) and nothing else. The parts of a response, one
// after the other, are the response: that is how Protobuf joins repeated fields.
std::string EmbedResultsPart(const EmbedAnswer& answer, int64_t begin, int64_t end);

// A serialised EmbedStreamResponse with the result of input i of an outcome, or its error.
std::string EmbedStreamResult(uint64_t id, const EmbedSettings& settings, const absl::Status& error,
                              const EmbedOutcome& outcome, int64_t i);

// A serialised EmbedResponse with the report and nothing else.
std::string EmbedReportPart(const EmbedAnswer& answer);

}  // namespace favor

#endif  // FAVOR_SERVER_CONVERT_EMBED_RESPONSE_CONVERSION_H_
