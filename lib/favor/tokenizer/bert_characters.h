#ifndef FAVOR_TOKENIZER_BERT_CHARACTERS_H_
#define FAVOR_TOKENIZER_BERT_CHARACTERS_H_

#include <array>
#include <string>

namespace favor {

// Classes and mappings of characters as the BERT tokenizer of Hugging Face `tokenizers` has them. They come from ICU,
// except where the reference, whose tables are of several versions of Unicode, differs: tests compare every character
// with a table recorded from it.
//
// Functions take any character below 0x110000 that is no surrogate. Thread-safe.

// White_Space of Unicode.
bool IsWhitespace(char32_t c);

// \w of regular expressions: letters, marks, decimal digits, connectors and joiners.
bool IsWordCharacter(char32_t c);

// What clean_text drops: U+0000, U+FFFD, controls other than tab and line ends, format characters, private use.
bool IsDroppedByCleaning(char32_t c);

// What clean_text makes a space of.
bool IsBlankedByCleaning(char32_t c);

// ASCII that is neither letter, digit, space nor control, and punctuation of Unicode.
bool IsBertPunctuation(char32_t c);

// The blocks of Chinese characters that handle_chinese_chars knows.
bool IsChinese(char32_t c);

// What strip_accents drops: nonspacing marks.
bool IsNonspacingMark(char32_t c);

// What StripAccents drops: marks of any kind.
bool IsMark(char32_t c);

// Canonical combining class, 0 for starters.
int CombiningClass(char32_t c);

// One to three characters.
struct ShortText {
  std::array<char32_t, 4> characters = {};
  int size = 0;
  const char32_t* begin() const { return characters.data(); }
  const char32_t* end() const { return characters.data() + size; }
};

// The full canonical decomposition; itself where there is none.
ShortText CanonicalDecomposition(char32_t c);

// The full compatibility decomposition, of up to 18 characters; itself where there is none.
std::u32string CompatibilityDecomposition(char32_t c);

// The character that is canonically equivalent to the two, which normal form C makes of them; 0 where there is none.
char32_t Composition(char32_t first, char32_t second);

// The lower case of a character by itself, without regard to its neighbours.
ShortText LowerCase(char32_t c);

}  // namespace favor

#endif  // FAVOR_TOKENIZER_BERT_CHARACTERS_H_
