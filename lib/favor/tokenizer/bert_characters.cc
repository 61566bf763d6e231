#include "favor/tokenizer/bert_characters.h"

#include <cstdint>

#include "unicode/uchar.h"
#include "unicode/unorm2.h"
#include "unicode/utf16.h"

namespace favor {
namespace {

// The reference knows the categories of Unicode 8 and the decompositions of Unicode 9: later characters have neither.
constexpr int kUnicodeOfCategories = 8;
constexpr int kUnicodeOfDecompositions = 9;

int UnicodeOf(char32_t c) {
  UVersionInfo age;
  u_charAge(static_cast<UChar32>(c), age);
  return age[0];
}

bool HasCategory(char32_t c, uint32_t mask) {
  return (U_GET_GC_MASK(static_cast<UChar32>(c)) & mask) != 0 && UnicodeOf(c) <= kUnicodeOfCategories;
}

bool Within(char32_t c, char32_t first, char32_t last) { return c >= first && c <= last; }

// Lower case as of Unicode 17, of what ICU 72 (Unicode 15) has not got.
struct LaterCase {
  char32_t first;
  char32_t last;
  char32_t lower_of_first;
};
constexpr LaterCase kLaterCases[] = {
    {0x1C89, 0x1C89, 0x1C8A},    {0xA7CB, 0xA7CB, 0x0264},    {0xA7CC, 0xA7CC, 0xA7CD}, {0xA7CE, 0xA7CE, 0xA7CF},
    {0xA7D2, 0xA7D2, 0xA7D3},    {0xA7D4, 0xA7D4, 0xA7D5},    {0xA7DA, 0xA7DA, 0xA7DB}, {0xA7DC, 0xA7DC, 0x019B},
    {0x10D50, 0x10D65, 0x10D70}, {0x16EA0, 0x16EB8, 0x16EBB},
};

// Word characters as of Unicode 16, of what ICU 72 has not got.
constexpr struct {
  char32_t first;
  char32_t last;
} kLaterWordCharacters[] = {
    {0x0897, 0x0897},   {0x1C89, 0x1C8A},   {0xA7CB, 0xA7CD},   {0xA7DA, 0xA7DC},   {0x105C0, 0x105F3},
    {0x10D40, 0x10D65}, {0x10D69, 0x10D6D}, {0x10D6F, 0x10D85}, {0x10EC2, 0x10EC4}, {0x10EFC, 0x10EFC},
    {0x11380, 0x11389}, {0x1138B, 0x1138B}, {0x1138E, 0x1138E}, {0x11390, 0x113B5}, {0x113B7, 0x113C0},
    {0x113C2, 0x113C2}, {0x113C5, 0x113C5}, {0x113C7, 0x113CA}, {0x113CC, 0x113D3}, {0x113E1, 0x113E2},
    {0x116D0, 0x116E3}, {0x11BC0, 0x11BE0}, {0x11BF0, 0x11BF9}, {0x11F5A, 0x11F5A}, {0x13460, 0x143FA},
    {0x16100, 0x16139}, {0x16D40, 0x16D6C}, {0x16D70, 0x16D79}, {0x18CFF, 0x18CFF}, {0x1CCF0, 0x1CCF9},
    {0x1E5D0, 0x1E5FA}, {0x2EBF0, 0x2EE5D},
};

// Calls visit(part) for the parts of a full decomposition, `instance` being that of a normal form; false where there is
// none.
template <typename Visit>
bool Decompose(char32_t c, const UNormalizer2* (*instance)(UErrorCode*), Visit visit) {
  UErrorCode error = U_ZERO_ERROR;
  const UNormalizer2* const form = instance(&error);
  UChar text[40];
  const int length = U_FAILURE(error) ? -1 : unorm2_getDecomposition(form, static_cast<UChar32>(c), text, 40, &error);
  if (length < 0 || U_FAILURE(error) || UnicodeOf(c) > kUnicodeOfDecompositions) return false;
  for (int i = 0; i < length;) {
    UChar32 part;
    U16_NEXT(text, i, length, part);
    visit(static_cast<char32_t>(part));
  }
  return true;
}

}  // namespace

bool IsWhitespace(char32_t c) { return u_isUWhiteSpace(static_cast<UChar32>(c)); }

bool IsWordCharacter(char32_t c) {
  const auto character = static_cast<UChar32>(c);
  for (const auto& later : kLaterWordCharacters) {
    if (Within(c, later.first, later.last)) return true;
  }
  return (U_GET_GC_MASK(character) & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0 || u_isUAlphabetic(character) ||
         u_hasBinaryProperty(character, UCHAR_JOIN_CONTROL);
}

bool IsDroppedByCleaning(char32_t c) {
  if (c == '\t' || c == '\n' || c == '\r') return false;
  return c == 0 || c == 0xFFFD || HasCategory(c, U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CO_MASK);
}

bool IsBlankedByCleaning(char32_t c) { return IsWhitespace(c); }

bool IsBertPunctuation(char32_t c) {
  if (c < 0x80) return Within(c, '!', '/') || Within(c, ':', '@') || Within(c, '[', '`') || Within(c, '{', '~');
  // Both changed their category after Unicode 8.
  return HasCategory(c, U_GC_P_MASK) || c == 0x166D || c == 0x111C9;
}

bool IsChinese(char32_t c) {
  // The extension E block starts at 0x2B820; the reference leaves out its first 256 characters.
  return c >= 0x3400 && (Within(c, 0x4E00, 0x9FFF) || Within(c, 0x3400, 0x4DBF) || Within(c, 0x20000, 0x2A6DF) ||
                         Within(c, 0x2A700, 0x2B81F) || Within(c, 0x2B920, 0x2CEAF) || Within(c, 0xF900, 0xFAFF) ||
                         Within(c, 0x2F800, 0x2FA1F));
}

bool IsNonspacingMark(char32_t c) {
  if (c < 0x300) return false;
  // These changed their category after Unicode 8.
  if (c == 0x1734) return true;
  if (c == 0x1885 || c == 0x1886 || c == 0xA9BD || c == 0x111C9) return false;
  return HasCategory(c, U_GC_MN_MASK);
}

bool IsMark(char32_t c) {
  // These changed their category after Unicode 9.
  if (c == 0x1CF2 || c == 0x1CF3) return true;
  if (c == 0x111C9) return false;
  return (U_GET_GC_MASK(static_cast<UChar32>(c)) & U_GC_M_MASK) != 0 && UnicodeOf(c) <= kUnicodeOfDecompositions;
}

int CombiningClass(char32_t c) {
  const int combining_class = c < 0x300 ? 0 : u_getCombiningClass(static_cast<UChar32>(c));
  return combining_class != 0 && UnicodeOf(c) <= kUnicodeOfDecompositions ? combining_class : 0;
}

ShortText CanonicalDecomposition(char32_t c) {
  ShortText parts;
  const auto append = [&](char32_t part) {
    if (parts.size < static_cast<int>(parts.characters.size())) parts.characters[parts.size++] = part;
  };
  return Decompose(c, unorm2_getNFDInstance, append) ? parts : ShortText{{c}, 1};
}

std::u32string CompatibilityDecomposition(char32_t c) {
  std::u32string parts;
  const auto append = [&](char32_t part) { parts.push_back(part); };
  return Decompose(c, unorm2_getNFKDInstance, append) ? parts : std::u32string{c};
}

char32_t Composition(char32_t first, char32_t second) {
  UErrorCode error = U_ZERO_ERROR;
  const UNormalizer2* const nfc = unorm2_getNFCInstance(&error);
  if (U_FAILURE(error)) return 0;
  const UChar32 c = unorm2_composePair(nfc, static_cast<UChar32>(first), static_cast<UChar32>(second));
  return c < 0 || UnicodeOf(static_cast<char32_t>(c)) > kUnicodeOfDecompositions ? 0 : static_cast<char32_t>(c);
}

ShortText LowerCase(char32_t c) {
  // The one character whose lower case is more than one.
  if (c == 0x130) return {{'i', 0x307}, 2};
  for (const LaterCase& later : kLaterCases) {
    if (Within(c, later.first, later.last)) return {{later.lower_of_first + (c - later.first)}, 1};
  }
  return {{static_cast<char32_t>(u_tolower(static_cast<UChar32>(c)))}, 1};
}

}  // namespace favor
