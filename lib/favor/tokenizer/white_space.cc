#include "favor/tokenizer/white_space.h"

#include "favor/tokenizer/bert_characters.h"
#include "favor/tokenizer/utf8.h"

namespace favor {

size_t LastCharacter(absl::string_view text) {
  size_t begin = text.size() - 1;
  while (begin > 0 && (text[begin] & 0xC0) == 0x80) --begin;
  return begin;
}

size_t TrailingSpace(absl::string_view text) {
  size_t begin = text.size();
  while (begin > 0) {
    size_t position = LastCharacter(text.substr(0, begin));
    const size_t character = position;
    if (!IsWhitespace(NextCharacter(text, &position))) break;
    begin = character;
  }
  return begin;
}

size_t LeadingSpace(absl::string_view text) {
  size_t end = 0;
  while (end < text.size()) {
    size_t position = end;
    if (!IsWhitespace(NextCharacter(text, &position))) break;
    end = position;
  }
  return end;
}

}  // namespace favor
