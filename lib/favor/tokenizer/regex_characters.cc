#include "favor/tokenizer/regex_characters.h"

#include <algorithm>
#include <cstdint>
#include <iterator>

#include "unicode/uchar.h"

namespace favor {
namespace {

// Of Unicode 16, what ICU 72 (Unicode 15) has not got.
struct Range {
  char32_t first;
  char32_t last;
};
constexpr Range kLaterLetters[] = {
    {0x1C89, 0x1C8A},   {0xA7CB, 0xA7CD},   {0xA7DA, 0xA7DC},   {0x105C0, 0x105F3}, {0x10D4A, 0x10D65},
    {0x10D6F, 0x10D85}, {0x10EC2, 0x10EC4}, {0x11380, 0x11389}, {0x1138B, 0x1138B}, {0x1138E, 0x1138E},
    {0x11390, 0x113B5}, {0x113B7, 0x113B7}, {0x113D1, 0x113D1}, {0x113D3, 0x113D3}, {0x11BC0, 0x11BE0},
    {0x13460, 0x143FA}, {0x16100, 0x1611D}, {0x16D40, 0x16D6C}, {0x18CFF, 0x18CFF}, {0x1E5D0, 0x1E5ED},
    {0x1E5F0, 0x1E5F0}, {0x2EBF0, 0x2EE5D},
};
constexpr Range kLaterNumbers[] = {
    {0x10D40, 0x10D49}, {0x116D0, 0x116E3}, {0x11BF0, 0x11BF9}, {0x16130, 0x16139},
    {0x16D70, 0x16D79}, {0x1CCF0, 0x1CCF9}, {0x1E5F1, 0x1E5FA},
};

bool HasCategory(char32_t c, uint32_t mask) { return (U_GET_GC_MASK(static_cast<UChar32>(c)) & mask) != 0; }

template <size_t kSize>
bool IsIn(const Range (&ranges)[kSize], char32_t c) {
  const Range* range = std::lower_bound(std::begin(ranges), std::end(ranges), c,
                                        [](const Range& a, char32_t character) { return a.last < character; });
  return range != std::end(ranges) && range->first <= c;
}

}  // namespace

bool IsLetter(char32_t c) { return HasCategory(c, U_GC_L_MASK) || IsIn(kLaterLetters, c); }

bool IsNumber(char32_t c) { return HasCategory(c, U_GC_N_MASK) || IsIn(kLaterNumbers, c); }

bool IsNumeric(char32_t c) { return IsNumber(c) || (c >= 0x11DE0 && c <= 0x11DE9) || (c >= 0x16FF4 && c <= 0x16FF6); }

}  // namespace favor
