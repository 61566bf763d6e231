#include "favor/tokenizer/vocab_txt.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/lib/tokenizer/model_folder.h"
#include "tests/lib/tokenizer/recorded_cases.h"

namespace favor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kVocabulary[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nna\n##ive\nNa\n\xE6\xBC\xA2\n";

std::string EncodingOf(absl::string_view config, absl::string_view text) {
  ModelFolder folder;
  folder.Write("vocab.txt", kVocabulary);
  if (!config.empty()) folder.Write("tokenizer_config.json", config);
  return Show(*folder.Load()->Encode(text));
}

std::string ErrorOf(absl::string_view vocabulary, absl::string_view config) {
  return ModelFolder().Write("vocab.txt", vocabulary).Write("tokenizer_config.json", config).Error();
}

TEST(VocabTxt, DefaultsAreThoseOfUncasedBert) {
  EXPECT_EQ(EncodingOf("", "Na\xC3\xAFve[MASK]"), "5[0,2) 6[2,6) 4[6,12)");
  const auto tokenizer = ModelFolder().Write("vocab.txt", kVocabulary).Load();
  EXPECT_THAT(tokenizer->prefix(), ElementsAre(2));
  EXPECT_THAT(tokenizer->suffix(), ElementsAre(3));
  EXPECT_EQ(tokenizer->vocabulary_size(), 9);
  EXPECT_EQ(tokenizer->Piece(6), "##ive");
}

TEST(VocabTxt, TheConfigurationDecidesTheNormalisation) {
  EXPECT_EQ(EncodingOf(R"({"do_lower_case":false})", "Na na"), "7[0,2) 5[3,5)");
  EXPECT_EQ(EncodingOf(R"({"strip_accents":false})", "n\xC3\xA0"), "1[0,3)");
  EXPECT_EQ(EncodingOf(R"({"do_lower_case":false,"strip_accents":true})", "N\xC3\xA0"), "7[0,3)");
  EXPECT_EQ(EncodingOf(R"({"tokenize_chinese_chars":false})", "\xE6\xBC\xA2na"), "1[0,5)");
  EXPECT_EQ(EncodingOf("", "\xE6\xBC\xA2na"), "8[0,3) 5[3,5)");
}

TEST(VocabTxt, SpecialTokensAreTextsOrObjects) {
  EXPECT_EQ(EncodingOf(R"({"mask_token":{"content":"[MASK]","lstrip":true}})", "na [MASK]"), "5[0,2) 4[2,9)");
  EXPECT_EQ(EncodingOf(R"({"additional_special_tokens":["Na"]})", "xNax"), "1[0,1) 7[1,3) 1[3,4)");
  EXPECT_EQ(EncodingOf(R"({"added_tokens_decoder":{"9":{"content":"<new>","special":true}}})", "<new>[MASK]"),
            "9[0,5) 4[5,11)");
}

// As transformers until 4.34 writes tokens that vocab.txt lacks.
TEST(VocabTxt, AddedTokensMayBeAdditionalOnes) {
  ModelFolder folder;
  folder.Write("vocab.txt", kVocabulary).Write("added_tokens.json", R"({"[E1]":9,"[E2]":10})");
  folder.Write("special_tokens_map.json", R"({"additional_special_tokens":["[E1]"]})");
  EXPECT_EQ(Show(*folder.Load()->Encode("[E1][e2]na")), "9[0,4) 10[4,8) 5[8,10)");
  EXPECT_EQ(Show(*folder.Load()->Encode("[e1]")), "1[0,1) 1[1,3) 1[3,4)");
}

TEST(VocabTxt, NewTokensFollowTheVocabulary) {
  EXPECT_EQ(ErrorOf(kVocabulary, R"({"added_tokens_decoder":{"10":{"content":"<new>"}}})"),
            "tokenizer_config.json: added_tokens_decoder has a token of id 10, the next one behind vocab.txt is 9");
  EXPECT_EQ(ModelFolder().Write("vocab.txt", kVocabulary).Write("added_tokens.json", R"({"x":9,"y":11})").Error(),
            "added_tokens.json has a token of id 11, the next one behind vocab.txt is 10");
}

// As transformers writes it from 4.34 on: the list names what only the decoder has an id for.
TEST(VocabTxt, TheDecoderStandsForTheAdditionalTokensToo) {
  EXPECT_EQ(
      EncodingOf(R"({"additional_special_tokens":["[E1]"],"added_tokens_decoder":{"9":{"content":"[E1]"}}})", "[E1]na"),
      "9[0,4) 5[4,6)");
}

// As transformers wrote them until 4.34.
TEST(VocabTxt, SpecialAndAddedTokensMayHaveFilesOfTheirOwn) {
  ModelFolder folder;
  folder.Write("vocab.txt", kVocabulary).Write("tokenizer_config.json", R"({"cls_token":"[CLS]"})");
  folder.Write("special_tokens_map.json",
               R"({"cls_token":"[MASK]","additional_special_tokens":["Na"],"mask_token":{"content":"[MASK]"}})");
  folder.Write("added_tokens.json", R"({"[new]":9,"Na":7})");
  const auto tokenizer = folder.Load();
  EXPECT_THAT(tokenizer->prefix(), ElementsAre(4));
  EXPECT_EQ(Show(*tokenizer->Encode("na[NEW] Na")), "5[0,2) 9[2,7) 7[8,10)");
  folder.Write("tokenizer_config.json", R"({"added_tokens_decoder":{"2":{"content":"[CLS]"}}})");
  EXPECT_THAT(folder.Load()->prefix(), ElementsAre(2));
}

TEST(VocabTxt, TheNewerNameOfAdditionalTokensIsKnown) {
  EXPECT_EQ(EncodingOf(R"({"extra_special_tokens":["Na"]})", "xNax"), "1[0,1) 7[1,3) 1[3,4)");
  EXPECT_EQ(EncodingOf(R"({"extra_special_tokens":{"name_token":"Na"}})", "xNax"), "1[0,1) 7[1,3) 1[3,4)");
  EXPECT_EQ(EncodingOf(R"({"extra_special_tokens":{},"additional_special_tokens":["Na"]})", "Na"), "7[0,2)");
  EXPECT_EQ(ErrorOf(kVocabulary, R"({"extra_special_tokens":["<new>"]})"),
            "tokenizer_config.json: extra_special_tokens[0] is not in vocab.txt");
}

TEST(VocabTxt, TheModelMayNameTheClass) {
  ModelFolder folder;
  folder.Write("vocab.txt", kVocabulary).Write("config.json", R"({"tokenizer_class":"BertJapaneseTokenizer"})");
  EXPECT_THAT(folder.Error(), HasSubstr("config.json: tokenizer_class is \"BertJapaneseTokenizer\", which is not"));
  folder.Write("tokenizer_config.json", R"({"tokenizer_class":"BertTokenizerFast"})");
  EXPECT_NE(folder.Load(), nullptr);
  for (const char* name : {"word_tokenizer_type", "subword_tokenizer_type", "mecab_kwargs"}) {
    EXPECT_EQ(ErrorOf(kVocabulary, std::string("{\"") + name + R"(":"x"})"),
              std::string("tokenizer_config.json: ") + name + " is \"x\", which is not implemented");
  }
}

TEST(VocabTxt, LowercaseMayComeFirst) {
  ModelFolder folder;
  folder.Write("vocab.txt", kVocabulary).Write("tokenizer_config.json", R"({"do_lower_case":false})");
  EXPECT_EQ(Show(*LoadTokenizer(folder.path(), /*lowercase_first=*/true).value()->Encode("Na[MASK]")), "5[0,2) 4[2,8)");
  folder.Write("favor_tokenizer.json", R"({"format_version":1,"type":"bytes"})");
  EXPECT_EQ(LoadTokenizer(folder.path(), /*lowercase_first=*/true).status().message(),
            "favor_tokenizer.json does not make texts lower case, as it is asked to");
}

TEST(VocabTxt, LinesMayEndInCarriageReturns) {
  const auto tokenizer = ModelFolder().Write("vocab.txt", "[UNK]\r\n[CLS]\r\n[SEP]\r\na\r\n").Load();
  EXPECT_EQ(Show(*tokenizer->Encode("a")), "3[0,1)");
}

TEST(VocabTxt, OfEqualLinesTheLastCounts) {
  const auto tokenizer = ModelFolder().Write("vocab.txt", "[UNK]\n[CLS]\n[SEP]\na\na\n").Load();
  EXPECT_EQ(Show(*tokenizer->Encode("a")), "4[0,1)");
}

TEST(VocabTxt, ErrorsNameFileAndField) {
  EXPECT_EQ(ErrorOf("", "{}"), "vocab.txt holds no tokens");
  EXPECT_EQ(ErrorOf("a\xFF\n", "{}"), "vocab.txt: text is not UTF-8: byte 1 is 0xFF");
  EXPECT_EQ(ErrorOf("a\n", "{}"), "tokenizer_config.json: unk_token is \"[UNK]\", which is not in vocab.txt");
  EXPECT_EQ(ErrorOf(kVocabulary, R"({"cls_token":"<s>"})"),
            "tokenizer_config.json: cls_token is \"<s>\", which is not in vocab.txt");
  EXPECT_EQ(ErrorOf(kVocabulary, R"({"do_lower_case":1})"),
            "tokenizer_config.json: do_lower_case is 1, neither true nor false");
  EXPECT_THAT(ErrorOf(kVocabulary, R"({"tokenizer_class":"EsmTokenizer"})"),
              HasSubstr("tokenizer_class is \"EsmTokenizer\", which is not implemented with vocab.txt"));
  EXPECT_EQ(ErrorOf(kVocabulary, R"({"do_basic_tokenize":false})"),
            "tokenizer_config.json: do_basic_tokenize is false, which is not implemented");
  EXPECT_EQ(ErrorOf(kVocabulary, R"({"mask_token":["[MASK]"]})"),
            "tokenizer_config.json: mask_token is a list of 1, not an object");
  EXPECT_EQ(ErrorOf(kVocabulary, R"({"added_tokens_decoder":{"x":{"content":"a"}}})"),
            "tokenizer_config.json: added_tokens_decoder.x is no id from 0 to 16777215");
  EXPECT_EQ(ModelFolder().Write("vocab.txt", kVocabulary).Write("added_tokens.json", R"({"<new>":0})").Error(),
            "added_tokens.json: <new> is \"<new>\", vocab.txt has it otherwise");
  EXPECT_EQ(ModelFolder().Write("vocab.txt", kVocabulary).Write("added_tokens.json", R"({"<new>":"9"})").Error(),
            "added_tokens.json: <new> is \"9\", not an integer from 0 to 16777215");
  EXPECT_EQ(ErrorOf(kVocabulary, R"({"added_tokens_decoder":{"0":{"content":"<new>"}}})"),
            "tokenizer_config.json: added_tokens_decoder.0 is \"<new>\", vocab.txt has it otherwise");
}

}  // namespace
}  // namespace favor
