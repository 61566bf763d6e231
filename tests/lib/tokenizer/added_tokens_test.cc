#include "favor/tokenizer/added_tokens.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace favor {
namespace {

// "text|5:token|text"
std::string SplitOf(absl::string_view text, std::vector<AddedToken> tokens) {
  std::vector<AddedTokens::Part> parts;
  AddedTokens(std::move(tokens)).Split(text, &parts);
  std::string shown;
  for (const AddedTokens::Part& part : parts) {
    absl::StrAppend(&shown, shown.empty() ? "" : "|", part.id == AddedTokens::kText ? "" : absl::StrCat(part.id, ":"),
                    text.substr(part.range.begin, part.range.end - part.range.begin));
  }
  return shown;
}

TEST(AddedTokens, AreCutOutOfTheText) {
  EXPECT_EQ(SplitOf("a[M]b[M]", {{"[M]", 5}}), "a|5:[M]|b|5:[M]");
  EXPECT_EQ(SplitOf("ab", {{"[M]", 5}}), "ab");
  EXPECT_EQ(SplitOf("ab", {}), "ab");
  EXPECT_EQ(SplitOf("", {{"[M]", 5}}), "");
}

TEST(AddedTokens, TheLongestOfThoseThatStartFirstCounts) {
  EXPECT_EQ(SplitOf("xabcd", {{"ab", 1}, {"abc", 2}, {"bcd", 3}}), "x|2:abc|d");
}

TEST(AddedTokens, SingleWordsHaveNoWordBesideThem) {
  const AddedToken one = {"one", 1, /*single_word=*/true};
  EXPECT_EQ(SplitOf("one ones none one-one", {one}), "1:one| ones none |1:one|-|1:one");
  EXPECT_EQ(SplitOf("one\u0301 one\u00E9 \u00E9one", {one}), "one\u0301 one\u00E9 \u00E9one");
}

TEST(AddedTokens, TakeWhiteSpaceAlongWhereTheySaySo) {
  const AddedToken left = {"<l>", 1, false, /*lstrip=*/true, false};
  const AddedToken right = {"<r>", 2, false, false, /*rstrip=*/true};
  EXPECT_EQ(SplitOf("a \u3000<l> <r>\t b", {left, right}), "a|1: \u3000<l>| |2:<r>\t |b");
  EXPECT_EQ(SplitOf("<r>  <l>", {left, right}), "2:<r>  |1:<l>");
}

}  // namespace
}  // namespace favor
