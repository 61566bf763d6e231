#include "favor/tokenizer/regex_characters.h"

#include <fstream>
#include <sstream>
#include <string>

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

}  // namespace
}  // namespace favor
