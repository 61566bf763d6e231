// Equality with Hugging Face `tokenizers`, recorded in tests/data/tokenizer.
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "favor/format/json.h"
#include "gtest/gtest.h"
#include "tests/lib/tokenizer/recorded_cases.h"

namespace favor {
namespace {

const std::string kFolder = FAVOR_TEST_DATA_DIR "/tokenizer/";

std::string ShowIds(const std::vector<Token>& tokens) {
  std::string ids;
  for (const Token& token : tokens) absl::StrAppend(&ids, token.id, " ");
  return ids;
}

void ExpectAllEqual(const std::string& file, size_t num_configs, size_t least_cases) {
  const RecordedCases recorded = ReadRecordedCases(kFolder + file, ReadText(kFolder + "bert_uncased_vocab.txt"));
  std::map<std::string, std::unique_ptr<Tokenizer>> tokenizers;
  for (const auto& [name, json] : recorded.configs) tokenizers[name] = TokenizerOf(json);
  ASSERT_EQ(tokenizers.size(), num_configs);
  ASSERT_GE(recorded.cases.size(), least_cases);
  for (const RecordedCase& recorded_case : recorded.cases) {
    const absl::StatusOr<std::vector<Token>> tokens = tokenizers.at(recorded_case.config)->Encode(recorded_case.text);
    ASSERT_TRUE(tokens.ok()) << tokens.status();
    // Behind a character that it drops, the reference is off with its places.
    const auto show = recorded_case.config == "dropped" ? ShowIds : Show;
    EXPECT_EQ(show(*tokens), show(recorded_case.tokens)) << recorded_case.config << ": " << recorded_case.text;
  }
}

TEST(BertTokenizer, EqualsTheReferenceInEveryRecordedCase) { ExpectAllEqual("bert_cases.jsonl", 12, 300); }

TEST(UnigramTokenizer, EqualsTheReferenceInEveryRecordedCase) { ExpectAllEqual("unigram_cases.jsonl", 7, 200); }

TEST(BytePairTokenizer, EqualsTheReferenceInEveryRecordedCase) { ExpectAllEqual("bpe_cases.jsonl", 10, 270); }

TEST(UnicodeNormalizer, EqualsTheReferenceInEveryRecordedCase) { ExpectAllEqual("normal_form_cases.jsonl", 8, 220); }

TEST(ClassPreTokenizer, EqualsTheReferenceInEveryRecordedCase) { ExpectAllEqual("pre_tokenizer_cases.jsonl", 8, 240); }

TEST(SplitPreTokenizer, EqualsTheReferenceInEveryRecordedCase) { ExpectAllEqual("split_cases.jsonl", 25, 700); }

// Two thousand texts of another recording, ids only, without added tokens.
TEST(BertTokenizer, EqualsTheReferenceInIdsOfWordPieces) {
  const std::string vocabulary = ReadText(kFolder + "bert_uncased_vocab.txt");
  const std::unique_ptr<Tokenizer> tokenizer = TokenizerOf(absl::StrCat(
      R"({"normalizer":{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,)",
      R"("lowercase":true},"pre_tokenizer":{"type":"BertPreTokenizer"},"model":{"type":"WordPiece",)",
      R"("unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100,"vocab":)",
      VocabularyJson(vocabulary), "}}"));
  std::ifstream file(kFolder + "wordpiece_bert_uncased.jsonl");
  int num_cases = 0;
  for (std::string line; std::getline(file, line); ++num_cases) {
    const absl::StatusOr<JsonValue> json = ParseJson(line, "case");
    ASSERT_TRUE(json.ok()) << json.status();
    const std::string& text = *json->Find("text")->string();
    std::vector<int64_t> expected, ids;
    for (const JsonValue& id : *json->Find("ids")->array()) expected.push_back(*id.integer());
    const absl::StatusOr<std::vector<Token>> tokens = tokenizer->Encode(text);
    ASSERT_TRUE(tokens.ok()) << tokens.status();
    for (const Token& token : *tokens) ids.push_back(token.id);
    EXPECT_EQ(ids, expected) << text;
  }
  EXPECT_EQ(num_cases, 2072);
}

}  // namespace
}  // namespace favor
