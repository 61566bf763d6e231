// Texts tokenised in steps have the tokens that they have in one.
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/lib/tokenizer/model_folder.h"
#include "tests/lib/tokenizer/recorded_cases.h"

namespace favor {
namespace {

const std::string kFolder = FAVOR_TEST_DATA_DIR "/tokenizer/";
constexpr int64_t kAtOnce = std::numeric_limits<int32_t>::max();

struct Steps {
  std::string tokens;  // or the error
  int64_t count = 0;
};

Steps Tokenise(const Tokenizer& tokenizer, const std::string& text, int64_t step_bytes) {
  const std::unique_ptr<Tokenization> run = tokenizer.Begin(text, step_bytes);
  std::vector<Token> tokens;
  for (Steps steps;;) {
    const absl::StatusOr<bool> done = run->Step(&tokens);
    ++steps.count;
    EXPECT_LE(steps.count, Tokenization::MaxSteps(static_cast<int64_t>(text.size()), step_bytes));
    if (done.ok() && !*done) continue;
    steps.tokens = done.ok() ? Show(tokens) : std::string(done.status().message());
    return steps;
  }
}

// Words, and what stands between them: what a cut could get wrong is there often.
std::string RandomText(std::mt19937* random, const std::vector<std::string>& pieces) {
  std::string text;
  const int size = std::uniform_int_distribution<int>(0, 60)(*random);
  for (int i = 0; i < size; ++i) {
    text += pieces[std::uniform_int_distribution<size_t>(0, pieces.size() - 1)(*random)];
  }
  return text;
}

const std::vector<std::string>& Pieces() {
  static const auto& pieces = *new std::vector<std::string>{" ",
                                                            " ",
                                                            " ",
                                                            " ",
                                                            " ",
                                                            "\n",
                                                            "\n",
                                                            "\t",
                                                            "\r\n",
                                                            "\r",
                                                            "  ",
                                                            "   ",
                                                            ".",
                                                            ",",
                                                            "a",
                                                            "b",
                                                            "the",
                                                            "Quick",
                                                            "x7",
                                                            "caf\xC3\xA9",
                                                            "e\xCC\x81",
                                                            "\xCC\x81",
                                                            "\xCC\xA3\xCC\x81",
                                                            "\xE6\xBC\xA2\xE5\xAD\x97",
                                                            "\xD0\xBC\xD0\xB8\xD1\x80",
                                                            "\xC2\xA0",
                                                            "\xE3\x80\x80",
                                                            "\xE2\x80\x8B",
                                                            "\xE2\x80\x8D",
                                                            "\xC2\xAD",
                                                            "\xC2\xA8",
                                                            "\x01",
                                                            "\xEF\xBF\xBD",
                                                            "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x92\xBB",
                                                            "\xF0\x9F\x87\xA9\xF0\x9F\x87\xAA",
                                                            "\xEF\xAC\x81",
                                                            "\xE0\xB5\x8E",
                                                            "[MASK]",
                                                            "<mask>",
                                                            "[SEP]",
                                                            "\xE2\x96\x81",
                                                            "yes",
                                                            "no",
                                                            "unbelievable",
                                                            "1,000"};
  return pieces;
}

void ExpectTheSameInSteps(const std::string& file, int num_texts) {
  const RecordedCases recorded = ReadRecordedCases(kFolder + file, ReadText(kFolder + "bert_uncased_vocab.txt"));
  std::mt19937 random(11);
  for (const auto& [name, json] : recorded.configs) {
    const std::unique_ptr<Tokenizer> tokenizer = TokenizerOf(json);
    std::vector<std::string> pieces = Pieces();
    for (const RecordedCase& recorded_case : recorded.cases) {
      if (recorded_case.config == name) pieces.push_back(recorded_case.text.substr(0, recorded_case.text.find(' ')));
    }
    for (int i = 0; i < num_texts; ++i) {
      const std::string text = RandomText(&random, pieces);
      const Steps at_once = Tokenise(*tokenizer, text, kAtOnce);
      EXPECT_EQ(at_once.count, 1);
      for (const int64_t step_bytes : {1, 2, 7, 40}) {
        ASSERT_EQ(Tokenise(*tokenizer, text, step_bytes).tokens, at_once.tokens)
            << name << ", steps of " << step_bytes << " bytes: '" << text << "'";
      }
    }
    for (const RecordedCase& recorded_case : recorded.cases) {
      if (recorded_case.config != name) continue;
      ASSERT_EQ(Tokenise(*tokenizer, recorded_case.text, 3).tokens,
                Tokenise(*tokenizer, recorded_case.text, kAtOnce).tokens)
          << name;
    }
  }
}

TEST(Tokenization, InStepsOfAnySizeWordPiecesAreTheSame) { ExpectTheSameInSteps("bert_cases.jsonl", 60); }

TEST(Tokenization, InStepsOfAnySizeUnigramPiecesAreTheSame) { ExpectTheSameInSteps("unigram_cases.jsonl", 120); }

TEST(Tokenization, InStepsOfAnySizeBytePairsAreTheSame) { ExpectTheSameInSteps("bpe_cases.jsonl", 100); }

TEST(Tokenization, InStepsOfAnySizeNormalFormsAreTheSame) { ExpectTheSameInSteps("normal_form_cases.jsonl", 60); }

TEST(Tokenization, InStepsOfAnySizeWordsByClassesAreTheSame) { ExpectTheSameInSteps("pre_tokenizer_cases.jsonl", 60); }

// Which of the matches count depends on all before them.
TEST(Tokenization, InStepsOfAnySizeReplacedTextsAreTheSame) {
  for (const char* pattern : {"x x", "a notice that is longer than what a cut is tried on, and stands on one line"}) {
    const auto tokenizer = TokenizerOf(absl::StrCat(
        R"({"normalizer":{"type":"Replace","pattern":{"String":")", pattern, R"("},"content":"Q"},)",
        R"("pre_tokenizer":{"type":"WhitespaceSplit"},"model":{"type":"WordLevel","unk_token":"u","vocab":{"u":0}}})"));
    std::string text;
    while (text.size() < 20'000) absl::StrAppend(&text, pattern[0] == 'x' ? "x" : pattern, " ");
    for (const int64_t step_bytes : {100, 1000, 4096}) {
      EXPECT_EQ(Tokenise(*tokenizer, text, step_bytes).tokens, Tokenise(*tokenizer, text, kAtOnce).tokens);
    }
  }
}

// Else nothing above says anything.
void ExpectShortSteps(const Tokenizer& tokenizer, const std::string& sentence) {
  std::string text;
  while (text.size() < (1 << 17)) text += sentence;
  const int64_t step_bytes = 4096;
  const std::unique_ptr<Tokenization> run = tokenizer.Begin(text, step_bytes);
  std::vector<Token> tokens;
  size_t most = 0;
  for (bool done = false; !done;) {
    const size_t before = tokens.size();
    done = run->Step(&tokens).value();
    const int64_t begin = tokens.empty() ? 0 : tokens[std::min(before, tokens.size() - 1)].begin;
    if (tokens.size() > before) most = std::max<size_t>(most, tokens.back().end - begin);
  }
  EXPECT_LT(most, step_bytes + 200) << sentence;
}

TEST(Tokenization, StepsOfOrdinaryTextAreShort) {
  for (const char* file : {"bert_cases.jsonl", "unigram_cases.jsonl", "bpe_cases.jsonl"}) {
    const RecordedCases recorded = ReadRecordedCases(kFolder + file, ReadText(kFolder + "bert_uncased_vocab.txt"));
    for (const auto& [name, json] : recorded.configs) {
      // All of a text is one word, or there is an added token of two.
      if (absl::StrContains("unsplit no_words fallback added added_cased", name)) continue;
      SCOPED_TRACE(name);
      const std::unique_ptr<Tokenizer> tokenizer = TokenizerOf(json);
      ExpectShortSteps(*tokenizer, "The quick brown fox, 7 years old, jumps over the lazy dog. ");
      ExpectShortSteps(*tokenizer, "\xD0\xBC\xD0\xB8\xD1\x80 \xC3\xA9t\xC3\xA9\xE2\x80\x99s");
    }
  }
  ModelFolder folder;
  folder.Write("favor_tokenizer.json",
               R"({"format_version": 1, "type": "characters", "vocabulary": ["A", "C"], "unknown": "A"})");
  ExpectShortSteps(*folder.Load(), "ACCA\xC3\xA9");
  folder.Write("favor_tokenizer.json", R"({"format_version": 1, "type": "bytes"})");
  ExpectShortSteps(*folder.Load(), "ACCA\xFF");
}

TEST(Tokenization, ErrorsAreTheSameInSteps) {
  ModelFolder folder;
  folder.Write("favor_tokenizer.json", R"({"format_version": 1, "type": "characters", "vocabulary": ["A", "C"]})");
  const std::unique_ptr<Tokenizer> characters = folder.Load();
  EXPECT_EQ(Tokenise(*characters, "AACCAACCG", 2).tokens,
            "text: character U+0047 (G) at byte 8 is not in the vocabulary");
  EXPECT_EQ(Tokenise(*characters, "AGCCAACC\xE6\xBC", 3).tokens, "text is not UTF-8: byte 8 is 0xE6");
  const auto recorded =
      ReadRecordedCases(kFolder + "unigram_cases.jsonl", ReadText(kFolder + "bert_uncased_vocab.txt"));
  const std::unique_ptr<Tokenizer> unigram = TokenizerOf(recorded.configs.begin()->second);
  EXPECT_EQ(Tokenise(*unigram, "one two three\xED\xA0\x80", 4).tokens, "text is not UTF-8: byte 13 is 0xED");
}

}  // namespace
}  // namespace favor
