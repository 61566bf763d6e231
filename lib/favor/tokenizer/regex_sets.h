#ifndef FAVOR_TOKENIZER_REGEX_SETS_H_
#define FAVOR_TOKENIZER_REGEX_SETS_H_

#include <cstdint>
#include <string>

#include "unicode/uniset.h"

namespace favor {

// Sets of characters that the regular expressions of Hugging Face `tokenizers` have names for (Oniguruma, Unicode 16).

// categories: ICU's masks, U_GC_L_MASK and so on.
icu::UnicodeSet CategorySet(uint32_t categories);

// Of \p{name}: general categories, by their short names and their long ones, and some scripts. False for others.
bool FindProperty(const std::string& name, icu::UnicodeSet* set);

// \s
icu::UnicodeSet SpaceSet();

// \w in a class; by itself it is also the superscripts and fractions of Latin-1.
icu::UnicodeSet ClassWordSet();
icu::UnicodeSet WordSet();

// \h
icu::UnicodeSet HexDigitSet();

// As ICU's regular expressions write it.
std::string SetPattern(const icu::UnicodeSet& set);

}  // namespace favor

#endif  // FAVOR_TOKENIZER_REGEX_SETS_H_
