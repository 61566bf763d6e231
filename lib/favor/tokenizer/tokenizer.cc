#include "favor/tokenizer/tokenizer.h"

#include <limits>

namespace favor {

absl::StatusOr<std::vector<Token>> Tokenizer::Encode(absl::string_view text) const {
  const std::unique_ptr<Tokenization> tokenization = Begin(text, std::numeric_limits<int32_t>::max());
  std::vector<Token> tokens;
  while (true) {
    const absl::StatusOr<bool> done = tokenization->Step(&tokens);
    if (!done.ok()) return done.status();
    if (*done) return tokens;
  }
}

}  // namespace favor
