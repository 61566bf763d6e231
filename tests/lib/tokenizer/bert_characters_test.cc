#include "favor/tokenizer/bert_characters.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace favor {
namespace {

using Text = std::vector<char32_t>;

// What the reference does with every character by itself, as tests/data/tokenizer/generate.py writes it.
class RecordedCharacters {
 public:
  RecordedCharacters() : kinds_(0x110000) {
    std::ifstream file(FAVOR_TEST_DATA_DIR "/tokenizer/bert_code_points.txt");
    for (std::string line; std::getline(file, line);) {
      std::istringstream fields(line);
      std::string name;
      fields >> name >> std::hex;
      uint32_t c = 0, other = 0;
      if (name == "range") {
        std::string kind;
        fields >> c >> other >> kind;
        std::fill(kinds_.begin() + c, kinds_.begin() + other + 1, kind);
      } else if (name == "L" || name == "D") {
        fields >> c;
        Text& text = (name == "L" ? lower_ : without_accents_)[c];
        while (fields >> other) text.push_back(other);
      }
    }
  }
  const std::string& kind(char32_t c) const { return kinds_[c]; }
  Text Lower(char32_t c) const { return Find(lower_, c); }
  Text WithoutAccents(char32_t c) const { return Find(without_accents_, c); }

 private:
  static Text Find(const std::map<char32_t, Text>& texts, char32_t c) {
    const auto found = texts.find(c);
    return found == texts.end() ? Text{c} : found->second;
  }
  std::vector<std::string> kinds_;
  std::map<char32_t, Text> lower_, without_accents_;
};

std::string KindOf(char32_t c) {
  std::string kind = IsDroppedByCleaning(c) ? "R" : IsBlankedByCleaning(c) ? "S" : IsChinese(c) ? "C" : "K";
  kind += IsWhitespace(c) ? "S" : IsBertPunctuation(c) ? "P" : "W";
  return kind + (IsNonspacingMark(c) ? "M" : "-") + (IsWordCharacter(c) ? "J" : "-");
}

TEST(BertCharacters, EveryCharacterIsWhatTheReferenceTakesItFor) {
  const RecordedCharacters recorded;
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    ASSERT_EQ(KindOf(c), recorded.kind(c)) << std::hex << static_cast<uint32_t>(c);
    const ShortText lower = LowerCase(c);
    ASSERT_EQ(Text(lower.begin(), lower.end()), recorded.Lower(c)) << std::hex << static_cast<uint32_t>(c);
  }
}

TEST(BertCharacters, EveryCharacterLosesTheAccentsThatTheReferenceTakes) {
  const RecordedCharacters recorded;
  for (char32_t c = 0; c < 0x110000; ++c) {
    if ((c >= 0xD800 && c < 0xE000) || IsNonspacingMark(c) || (c >= 0xAC00 && c < 0xD7A4)) continue;
    Text rest;
    for (const char32_t part : CanonicalDecomposition(c)) {
      if (!IsNonspacingMark(part)) rest.push_back(part);
    }
    ASSERT_EQ(rest, recorded.WithoutAccents(c)) << std::hex << static_cast<uint32_t>(c);
  }
}

TEST(BertCharacters, HangulDecomposesByArithmetic) {
  const ShortText han = CanonicalDecomposition(0xD55C);
  EXPECT_EQ(Text(han.begin(), han.end()), (Text{0x1112, 0x1161, 0x11AB}));
}

TEST(BertCharacters, LaterThanUnicode9HasNoCombiningClass) {
  EXPECT_EQ(CombiningClass(0x301), 230);
  EXPECT_EQ(CombiningClass(0x1E8D0), 220);  // Unicode 7
  EXPECT_EQ(CombiningClass(0x1DF6), 0);     // 232 since Unicode 10
}

TEST(BertCharacters, WordCharactersAreThoseOfRegularExpressions) {
  for (const char32_t c : {U'a', U'Z', U'_', U'7', U'\u00E9', U'\u0301', U'\u6F22', U'\u200D', U'\u203F'}) {
    EXPECT_TRUE(IsWordCharacter(c)) << static_cast<uint32_t>(c);
  }
  for (const char32_t c : {U' ', U'-', U'\u00B2', U'\u20AC', U'\u3002', U'\u200B'}) {
    EXPECT_FALSE(IsWordCharacter(c)) << static_cast<uint32_t>(c);
  }
}

}  // namespace
}  // namespace favor
