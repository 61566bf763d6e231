#include "favor/tokenizer/regex_syntax.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace favor {
namespace {

std::string Translated(absl::string_view pattern) {
  const absl::StatusOr<std::string> translated = TranslateRegex(pattern);
  return translated.ok() ? *translated : std::string(translated.status().message());
}

std::string NotImplementedAt(absl::string_view text, int byte) {
  return absl::StrCat("whose \"", text, "\" at byte ", byte, " is not implemented");
}

TEST(RegexSyntax, WhatIcuReadsOtherwiseIsWrittenOut) {
  EXPECT_EQ(Translated("a."), "\\x{61}[^\\x{a}]");
  EXPECT_EQ(Translated("(?m:.)"), "(?:[\\x{0}-\\x{10ffff}])");
  EXPECT_EQ(Translated("\\h\\v"), "[\\x{30}-\\x{39}\\x{41}-\\x{46}\\x{61}-\\x{66}]\\x{b}");
  EXPECT_EQ(Translated("(?i:k)"), "(?:[\\x{4b}\\x{6b}\\x{212a}])");
  EXPECT_EQ(Translated("[a-c&&[^b]x]"), "[\\x{61}\\x{63}]");
  EXPECT_EQ(Translated("a(?-i)b|c"), "\\x{61}(?:\\x{62}|\\x{63})");
  EXPECT_EQ(Translated("(a)(?<n>b)"), "(?:\\x{61})(?:\\x{62})");
  EXPECT_EQ(Translated("a{,2}b{2}?c{1,2}+{"), "\\x{61}{0,2}(?:\\x{62}{2})?(?:\\x{63}{1,2})+\\x{7b}");
  EXPECT_EQ(Translated("[ab]*+(?>[ab]*)"), "[\\x{61}-\\x{62}]*+(?>(?:[\\x{61}-\\x{62}])*)");
  EXPECT_EQ(Translated("[a&&b]"), "(?!)");
}

TEST(RegexSyntax, LettersOfLaterUnicodeAreThere) {
  EXPECT_NE(Translated("\\p{Lu}").find("\\x{1c89}"), std::string::npos);
  EXPECT_NE(Translated("\\p{Han}").find("\\x{2ebf0}-\\x{2ee5d}"), std::string::npos);
  EXPECT_EQ(Translated("\\p{Cn}").find("\\x{1c89}"), std::string::npos);
}

TEST(RegexSyntax, WhatIsNotImplementedIsRefusedByName) {
  for (const char* refused :
       {"\\1",   "\\k",         "\\g",     "\\G", "\\K",     "\\X",     "\\y",        "\\c",         "\\Q",
        "(?~",   "(?x",         "(?(",     "(?P", "(*",      "[:",      "\\p{punct}", "\\p{letter}", "\\p{Emoji}",
        "\\xe9", "\\x{110000}", "\\ud800", "a**", "a{2}{3}", "(?:a?)*", "(?:a|){2}"}) {
    const bool in_class = refused == absl::string_view("[:");
    EXPECT_EQ(Translated(absl::StrCat("é|", in_class ? "[" : "", refused)),
              NotImplementedAt(refused, in_class ? 4 : 3));
  }
  EXPECT_EQ(Translated("(*i:a)"), NotImplementedAt("(*i:", 0));
  EXPECT_EQ(Translated("a{3,1}"), NotImplementedAt("{3,1}", 1));
  EXPECT_EQ(Translated("a{1001}"), NotImplementedAt("{1001}", 1));
  EXPECT_EQ(Translated("(?i:é)"), NotImplementedAt("é", 4));
  EXPECT_EQ(Translated("(?i:[\\p{L}])"), NotImplementedAt("\\p{L}", 5));
  EXPECT_EQ(Translated("(?i)mas(?:s)"), NotImplementedAt("s", 10));  // ß
  EXPECT_EQ(Translated("[a-\\d]"), NotImplementedAt("-\\d", 2));
  EXPECT_EQ(Translated(std::string(2049, 'a')), "which has 2049 bytes, at most 2048");
}

TEST(RegexSyntax, WhatIsWrongIsRefused) {
  EXPECT_EQ(Translated("(a"), "which is wrong at byte 2: a group without its \")\"");
  EXPECT_EQ(Translated("a)"), "which is wrong at byte 2: a \")\" without its group");
  EXPECT_EQ(Translated("a|*"), "which is wrong at byte 3: nothing to repeat");
  EXPECT_EQ(Translated("\\b+"), "which is wrong at byte 3: nothing to repeat");
  EXPECT_EQ(Translated("[a"), "which is wrong at byte 2: a class without its \"]\"");
  EXPECT_EQ(Translated("a\\"), "which is wrong at byte 2: a backslash without what it escapes");
  EXPECT_EQ(Translated("\\p{L"), "which is wrong at byte 3: lacks \"}\"");
  EXPECT_EQ(Translated(std::string(100, '(')), "which is wrong at byte 32: more than 32 groups in one another");
  EXPECT_EQ(Translated(std::string(100, '[')), "which is wrong at byte 17: more than 16 classes in one another");
}

}  // namespace
}  // namespace favor
