// Split: bounds of time and memory whatever the pattern, and texts in steps.
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/lib/tokenizer/model_folder.h"
#include "tests/lib/tokenizer/recorded_cases.h"

namespace favor {
namespace {

using testing::HasSubstr;

std::string JsonText(absl::string_view text) {
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"\"", "\\\""}}), "\"");
}

std::string SplitBy(absl::string_view regex) {
  return absl::StrCat(R"({"pre_tokenizer":{"type":"Split","pattern":{"Regex":)", JsonText(regex),
                      R"(},"behavior":"Isolated","invert":false},)",
                      R"("model":{"type":"WordLevel","unk_token":"u","vocab":{"u":0}}})");
}

TEST(Split, ErrorsNameThePattern) {
  const auto error = [](absl::string_view regex) {
    return ModelFolder().Write("tokenizer.json", SplitBy(regex)).Error();
  };
  EXPECT_EQ(error("a\\Gb"),
            "tokenizer.json: pre_tokenizer.pattern.Regex is \"a\\Gb\", whose \"\\G\" at byte 1 is not implemented");
  EXPECT_EQ(
      error("(?<=a+)b"),
      "tokenizer.json: pre_tokenizer.pattern.Regex is \"(?<=a+)b\", which ICU refuses: U_REGEX_LOOK_BEHIND_LIMIT");
}

// Each would take hours.
TEST(Split, HostilePatternsAreErrorsOfTheText) {
  for (const char* regex : {"(?:a|a)+b", "[ab]*c", "[ab]++c", "(?![ab]*c)a", "(?:(?>[ab]*)c|a)", ".*?c", "a(?:.*?c)?",
                            "(?=[ab]{1,1000}c)a", "(?:a|b|ab)*c"}) {
    const std::unique_ptr<Tokenizer> tokenizer = TokenizerOf(SplitBy(regex));
    const absl::Status status = tokenizer->Encode(std::string(200000, 'a')).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << regex;
    EXPECT_THAT(std::string(status.message()), HasSubstr("Split takes too much time or memory")) << regex;
    EXPECT_TRUE(tokenizer->Encode("aab c").ok()) << regex;
  }
}

TEST(Split, LongWordsAreNone) {
  for (const char* regex : {"(a+)+$", "\\p{L}+", "(?:a|b)+"}) {
    EXPECT_EQ(TokenizerOf(SplitBy(regex))->Encode(std::string(200000, 'a'))->size(), 1) << regex;
  }
}

// Also how far apart cuts are: a pattern that is not known to allow them has none.
TEST(Split, StepsHaveTheTokensOfTheWhole) {
  const RecordedCases recorded = ReadRecordedCases(FAVOR_TEST_DATA_DIR "/tokenizer/split_cases.jsonl", "");
  std::string text;
  for (const RecordedCase& recorded_case : recorded.cases) text += recorded_case.text + " ";
  for (const char* name : {"qwen", "llama3", "gpt4o", "gpt2", "isolated", "text"}) {
    const std::unique_ptr<Tokenizer> tokenizer = TokenizerOf(recorded.configs.at(name));
    const std::unique_ptr<Tokenization> run = tokenizer->Begin(text, 64);
    std::vector<Token> tokens;
    int num_steps = 0;
    for (absl::StatusOr<bool> done = false; done.ok() && !*done; ++num_steps) done = run->Step(&tokens);
    EXPECT_EQ(Show(tokens), Show(*tokenizer->Encode(text))) << name;
    const bool is_cut = name != absl::string_view("isolated") && name != absl::string_view("text");
    const int num_searches = 2 * static_cast<int>(text.size() / 64 + 1);  // the text is checked and searched in steps
    EXPECT_EQ(num_steps > num_searches + 100, is_cut) << name;
  }
}

}  // namespace
}  // namespace favor
