#ifndef FAVOR_TOKENIZER_REGEX_CHARACTERS_H_
#define FAVOR_TOKENIZER_REGEX_CHARACTERS_H_

#include <cstdint>

#include "absl/types/span.h"

namespace favor {

// Classes of characters as the regular expressions of Hugging Face `tokenizers` have them (Unicode 16). They come from
// ICU, and what is later than ICU's Unicode from a table: tests compare every character with one recorded from the
// reference. White_Space is that of bert_characters.h.
//
// Functions take any character below 0x110000 that is no surrogate. Thread-safe.

// \p{L}
bool IsLetter(char32_t c);

// \p{N}
bool IsNumber(char32_t c);

// The same to the pre-tokenizer Digits, which goes by Unicode 17.
bool IsNumeric(char32_t c);

// Characters whose general category is another one than ICU 72 (Unicode 15) has, in order.
struct LaterCharacters {
  char32_t first;
  char32_t last;
  uint32_t category;  // a bit of ICU's masks, U_GC_LU_MASK and so on
};
absl::Span<const LaterCharacters> CharactersLaterThanIcu();

}  // namespace favor

#endif  // FAVOR_TOKENIZER_REGEX_CHARACTERS_H_
