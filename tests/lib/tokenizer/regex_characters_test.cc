#include "favor/tokenizer/regex_characters.h"

#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "favor/tokenizer/bert_characters.h"
#include "gtest/gtest.h"

namespace favor {
namespace {

std::string KindOf(char32_t c) { return IsLetter(c) ? "L" : IsNumber(c) ? "N" : IsWhitespace(c) ? "S" : "-"; }

TEST(RegexCharacters, EveryCharacterIsWhatTheReferenceTakesItFor) {
  std::ifstream file(FAVOR_TEST_DATA_DIR "/tokenizer/regex_code_points.txt");
  int num_characters = 0;
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    std::string name, kind;
    uint32_t first = 0, last = 0;
    fields >> name >> std::hex >> first >> last >> kind;
    if (name != "range") continue;
    for (char32_t c = first; c <= last; ++c) {
      if (c >= 0xD800 && c < 0xE000) continue;
      ASSERT_EQ(KindOf(c), kind) << std::hex << static_cast<uint32_t>(c);
      ++num_characters;
    }
  }
  EXPECT_EQ(num_characters, 0x110000 - 0x800);
}

// What the reference's Digits takes for numbers beyond them, of all characters.
TEST(RegexCharacters, NumericAreNumbersOfALaterUnicode) {
  std::string later;
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (IsNumeric(c) && !IsNumber(c)) absl::StrAppend(&later, absl::Hex(static_cast<uint32_t>(c)), " ");
  }
  EXPECT_EQ(later, "11de0 11de1 11de2 11de3 11de4 11de5 11de6 11de7 11de8 11de9 16ff4 16ff5 16ff6 ");
}

}  // namespace
}  // namespace favor
