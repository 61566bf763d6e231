#include "server/convert/tokens_conversion.h"

#include "favor/v1/embedding.pb.h"

namespace favor {
namespace {

void Add(const Tokenizer& tokenizer, const Token& token, bool with_piece, v1::Tokens* wire) {
  wire->add_ids(token.id);
  wire->add_begins(token.begin);
  wire->add_ends(token.end);
  if (with_piece) wire->add_pieces(tokenizer.Piece(token.id));
}

}  // namespace

std::string TokenizeResponsePart(const Tokenizer& tokenizer, absl::Span<const Token> tokens, bool with_special_tokens,
                                 bool with_pieces) {
  v1::TokenizeResponse response;
  v1::Tokens* wire = response.add_results();
  if (with_special_tokens) {
    for (const int32_t id : tokenizer.prefix()) Add(tokenizer, {id, 0, 0}, with_pieces, wire);
  }
  for (const Token& token : tokens) Add(tokenizer, token, with_pieces, wire);
  if (with_special_tokens) {
    for (const int32_t id : tokenizer.suffix()) Add(tokenizer, {id, 0, 0}, with_pieces, wire);
  }
  return response.SerializeAsString();
}

}  // namespace favor
