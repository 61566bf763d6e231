#include "favor/tokenizer/utf8.h"

#include <string>

#include "absl/status/status.h"
#include "gtest/gtest.h"

namespace favor {
namespace {

TEST(Utf8, EveryCharacterComesBack) {
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    std::string text;
    AppendUtf8(c, &text);
    ASSERT_TRUE(CheckUtf8(text).ok()) << static_cast<uint32_t>(c);
    size_t position = 0;
    ASSERT_EQ(NextCharacter(text, &position), c);
    ASSERT_EQ(position, text.size());
    ASSERT_EQ(CountCharacters(text), 1);
  }
}

TEST(Utf8, TheFirstWrongByteIsNamed) {
  EXPECT_EQ(CheckUtf8("abcdefghijkl\xC3").message(), "text is not UTF-8: byte 12 is 0xC3");
  EXPECT_EQ(CheckUtf8("\xC3\xA9\x80").message(), "text is not UTF-8: byte 2 is 0x80");
}

TEST(Utf8, WhatUnicodeForbidsIsRefused) {
  const absl::string_view wrong[] = {
      "\x80",
      "\xBF",
      "\xC0\x80",
      "\xC1\xBF",
      "\xC2",
      "\xC2\x41",
      "\xE0\x9F\xBF",
      "\xE1\x80",
      "\xE1\x80\x41",
      "\xED\xA0\x80",
      "\xED\xBF\xBF",
      "\xF0\x8F\xBF\xBF",
      "\xF1\x80\x80",
      "\xF4\x90\x80\x80",
      "\xF5\x80\x80\x80",
      "\xF8\x88\x80\x80\x80",
      "\xFF",
      "\xF1\x80\x80\x41",
  };
  for (const absl::string_view text : wrong) {
    EXPECT_TRUE(absl::IsInvalidArgument(CheckUtf8(text)));
    EXPECT_FALSE(CheckUtf8(std::string("12345678") + std::string(text) + "12345678").ok());
  }
}

TEST(Utf8, NamesShowWhatCanBeShown) {
  EXPECT_EQ(CharacterName(0xE9), "U+00E9 (\xC3\xA9)");
  EXPECT_EQ(CharacterName('\n'), "U+000A");
  EXPECT_EQ(CharacterName(0x9F), "U+009F");
}

}  // namespace
}  // namespace favor
