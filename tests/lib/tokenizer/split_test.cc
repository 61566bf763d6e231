// Split: bounds of time and memory whatever the pattern, texts in steps, and the files of models that have it.
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "favor/tokenizer/split_pre_tokenizer.h"
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

std::string Qwen(absl::string_view regex = kQwenSplit, absl::string_view more = "", const char* normal_form = "NFC") {
  return absl::StrCat(R"({"added_tokens":[{"id":2,"content":"<|endoftext|>","special":true}],"normalizer":{"type":")",
                      normal_form, R"("},"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split",)",
                      R"("pattern":{"Regex":)", JsonText(regex), R"(},"behavior":"Isolated","invert":false},)",
                      R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":false,"use_regex":false}]},)",
                      R"("post_processor":{"type":"TemplateProcessing","single":[{"Sequence":{"id":"A"}},)",
                      R"({"SpecialToken":{"id":"<|endoftext|>"}}],"special_tokens":{"<|endoftext|>":{"ids":[2]}}},)",
                      R"("model":{"type":"BPE","unk_token":null,"merges":[],"vocab":{"a":0,"b":1})", more, "}}");
}

std::string ErrorOf(absl::string_view json, absl::string_view config) {
  ModelFolder folder;
  folder.Write("tokenizer.json", json).Write("tokenizer_config.json", config);
  return std::string(LoadTokenizer(folder.path()).status().message());
}

TEST(Split, QwensSettingsAreTaken) {
  constexpr char kConfig[] = R"({"tokenizer_class":"Qwen2TokenizerFast","add_prefix_space":false,"add_bos_token":false,
      "bos_token":null,"eos_token":"<|endoftext|>","pad_token":"<|endoftext|>","unk_token":null,"errors":"replace",
      "split_special_tokens":false,"clean_up_tokenization_spaces":false,"model_max_length":131072,
      "additional_special_tokens":["<|endoftext|>"],"chat_template":"{{ x }}",
      "added_tokens_decoder":{"2":{"content":"<|endoftext|>","special":true}}})";
  EXPECT_EQ(ErrorOf(Qwen(), kConfig), "");
  const auto tokenizer = ModelFolder().Write("tokenizer.json", Qwen()).Write("tokenizer_config.json", kConfig).Load();
  EXPECT_EQ(tokenizer->suffix(), std::vector<int32_t>{2});
  EXPECT_EQ(Show(*tokenizer->Encode("ab<|endoftext|>c")), "0[0,1) 1[1,2) 2[2,15)");
}

// transformers makes these by itself, whatever tokenizer.json has.
TEST(Split, WhatQwensClassMakesMustBeInTheFile) {
  constexpr char kClass[] = R"({"tokenizer_class":"Qwen2Tokenizer"})";
  EXPECT_THAT(ErrorOf(Qwen("\\p{L}+"), kClass), HasSubstr("pre_tokenizer is not Qwen's Split and ByteLevel"));
  EXPECT_THAT(ErrorOf(Qwen(kQwenSplit, "", "NFKC"), kClass), HasSubstr("normalizer is not NFC"));
  EXPECT_THAT(ErrorOf(Qwen(kQwenSplit, R"(,"ignore_merges":true)"), kClass), HasSubstr("ignore_merges is true"));
  EXPECT_THAT(ErrorOf(Qwen(), R"({"tokenizer_class":"Qwen2Tokenizer","add_prefix_space":true})"),
              HasSubstr("add_prefix_space is true; tokenizer.json has"));
  EXPECT_EQ(ErrorOf(Qwen("\\p{L}+"), R"({"tokenizer_class":"PreTrainedTokenizerFast"})"), "");
  EXPECT_EQ(ErrorOf(Qwen(), R"({"split_special_tokens":true})"),
            "tokenizer_config.json: split_special_tokens is true, which is not implemented; known: false");
}

}  // namespace
}  // namespace favor
