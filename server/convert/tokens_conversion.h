#ifndef FAVOR_SERVER_CONVERT_TOKENS_CONVERSION_H_
#define FAVOR_SERVER_CONVERT_TOKENS_CONVERSION_H_

#include <string>

#include "absl/types/span.h"
#include "favor/tokenizer/tokenizer.h"

namespace favor {

// A serialised TokenizeResponse of one result. The parts of a response, one after the other, are the response.
std::string TokenizeResponsePart(const Tokenizer& tokenizer, absl::Span<const Token> tokens, bool with_special_tokens,
                                 bool with_pieces);

}  // namespace favor

#endif  // FAVOR_SERVER_CONVERT_TOKENS_CONVERSION_H_
