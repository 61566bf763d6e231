// What stands beside a tokenizer.json must not contradict it: transformers would obey it.
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/lib/tokenizer/model_folder.h"

namespace favor {
namespace {

using testing::HasSubstr;

constexpr char kUncased[] = R"({
  "added_tokens": [{"id": 1, "content": "[CLS]", "special": true}, {"id": 2, "content": "[SEP]", "special": true}],
  "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null,
                 "lowercase": true},
  "pre_tokenizer": {"type": "BertPreTokenizer"},
  "post_processor": {"type": "BertProcessing", "cls": ["[CLS]", 1], "sep": ["[SEP]", 2]},
  "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "a": 3}}})";

std::string Cased() { return absl::StrReplaceAll(kUncased, {{R"("lowercase": true)", R"("lowercase": false)"}}); }

// The error of a folder; empty where it loads.
std::string ErrorOf(absl::string_view json, absl::string_view config, absl::string_view other = "",
                    absl::string_view text = "{}") {
  ModelFolder folder;
  folder.Write("tokenizer.json", json).Write("tokenizer_config.json", config);
  if (!other.empty()) folder.Write(std::string(other), text);
  return std::string(LoadTokenizer(folder.path()).status().message());
}

TEST(TokenizerAgreement, SettingsThatSayTheSameAreTaken) {
  EXPECT_EQ(ErrorOf(kUncased, R"({"tokenizer_class": "BertTokenizer", "do_lower_case": true, "strip_accents": null,
                                  "tokenize_chinese_chars": true, "cls_token": "[CLS]", "sep_token": "[SEP]",
                                  "additional_special_tokens": [],
                                  "added_tokens_decoder": {"1": {"content": "[CLS]"}, "2": {"content": "[SEP]"}}})"),
            "");
  EXPECT_EQ(ErrorOf(kUncased, R"({"tokenizer_class": "BertTokenizerFast"})"), "");
  EXPECT_EQ(ErrorOf(Cased(), R"({"tokenizer_class": "BertTokenizer", "do_lower_case": false})"), "");
}

TEST(TokenizerAgreement, OtherClassesLeaveTheNormalizerAlone) {
  EXPECT_EQ(ErrorOf(Cased(), R"({"tokenizer_class": "PreTrainedTokenizerFast", "do_lower_case": true})"), "");
  EXPECT_EQ(ErrorOf(Cased(), "{}"), "");
  EXPECT_EQ(ErrorOf(Cased(), "{}", "config.json", R"({"model_type": "performer-pytorch"})"), "");
}

TEST(TokenizerAgreement, ContradictingNormalizersAreRefused) {
  EXPECT_EQ(ErrorOf(kUncased, R"({"tokenizer_class": "BertTokenizer", "do_lower_case": false})"),
            "tokenizer_config.json: do_lower_case is false; tokenizer.json has normalizer.lowercase true. transformers "
            "obeys the former: they must agree");
  const std::string missing =
      "tokenizer_config.json: do_lower_case is missing, which stands for true; tokenizer.json has normalizer.lowercase "
      "false. transformers obeys the former: they must agree";
  EXPECT_EQ(ErrorOf(Cased(), R"({"tokenizer_class": "BertTokenizerFast"})"), missing);
  EXPECT_EQ(ErrorOf(Cased(), "{}", "config.json", R"({"tokenizer_class": "BertTokenizer"})"), missing);
  EXPECT_EQ(ErrorOf(Cased(), "{}", "config.json", R"({"model_type": "bert"})"), missing);
  EXPECT_THAT(ErrorOf(kUncased, R"({"tokenizer_class": "BertTokenizer", "strip_accents": false})"),
              HasSubstr("strip_accents is false; tokenizer.json has normalizer.strip_accents true"));
  EXPECT_THAT(ErrorOf(kUncased, R"({"tokenizer_class": "BertTokenizer", "tokenize_chinese_chars": false})"),
              HasSubstr("tokenize_chinese_chars is false; tokenizer.json has normalizer.handle_chinese_chars true"));
}

TEST(TokenizerAgreement, OtherTokensAroundATextAreRefused) {
  EXPECT_EQ(ErrorOf(kUncased, R"({"tokenizer_class": "BertTokenizer", "cls_token": "[SEP]"})"),
            "tokenizer_config.json: cls_token is \"[SEP]\", post_processor of tokenizer.json puts \"[CLS]\" in its "
            "place. transformers obeys the former: they must agree");
  EXPECT_THAT(ErrorOf(kUncased, R"({"tokenizer_class": "BertTokenizer", "sep_token": "[SEP]"})",
                      "special_tokens_map.json", R"({"sep_token": {"content": "a"}})"),
              HasSubstr("special_tokens_map.json: sep_token is \"a\", post_processor"));
  EXPECT_THAT(ErrorOf(kUncased, R"({"tokenizer_class": "XLMRobertaTokenizer", "bos_token": "a"})"),
              HasSubstr("bos_token is \"a\", post_processor"));
  EXPECT_EQ(ErrorOf(kUncased, R"({"tokenizer_class": "PreTrainedTokenizerFast", "cls_token": "[SEP]"})"), "");
}

TEST(TokenizerAgreement, RobertaTakesTheSpaceInFrontFromItsSettings) {
  constexpr char kRoberta[] = R"({
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
    "post_processor": {"type": "RobertaProcessing", "cls": ["<s>", 1], "sep": ["</s>", 2]},
    "model": {"type": "BPE", "vocab": {"a": 0, "<s>": 1, "</s>": 2}, "merges": []}})";
  const std::string prefixed =
      absl::StrReplaceAll(kRoberta, {{R"("add_prefix_space": false)", R"("add_prefix_space": true)"}});
  EXPECT_EQ(ErrorOf(kRoberta, R"({"tokenizer_class": "RobertaTokenizer", "cls_token": "<s>", "sep_token": "</s>"})"),
            "");
  EXPECT_EQ(ErrorOf(prefixed, R"({"tokenizer_class": "RobertaTokenizerFast", "add_prefix_space": true})"), "");
  EXPECT_EQ(ErrorOf(prefixed, R"({"tokenizer_class": "PreTrainedTokenizerFast"})"), "");
  EXPECT_EQ(ErrorOf(kRoberta, R"({"tokenizer_class": "RobertaTokenizer", "add_prefix_space": true})"),
            "tokenizer_config.json: add_prefix_space is true; tokenizer.json has pre_tokenizer.add_prefix_space false. "
            "transformers obeys the former: they must agree");
  EXPECT_THAT(ErrorOf(prefixed, "{}", "config.json", R"({"model_type": "roberta"})"),
              HasSubstr("add_prefix_space is missing, which stands for false; tokenizer.json has pre_tokenizer."));
  EXPECT_THAT(ErrorOf(kRoberta, R"({"tokenizer_class": "RobertaTokenizer", "cls_token": "a"})"),
              HasSubstr("cls_token is \"a\", post_processor"));
  EXPECT_THAT(ErrorOf(absl::StrReplaceAll(kRoberta, {{R"("pre_tokenizer")", R"("normalizer": {"type": "Lowercase"},
                                                                            "pre_tokenizer")"}}),
                      R"({"tokenizer_class": "RobertaTokenizer"})"),
              HasSubstr("tokenizer.json: normalizer is there; transformers does without one"));
}

TEST(TokenizerAgreement, FurtherAddedTokensAreRefused) {
  EXPECT_EQ(
      ErrorOf(kUncased, R"({"added_tokens_decoder": {"4": {"content": "fox"}}})"),
      "tokenizer_config.json: added_tokens_decoder.4 adds the token \"fox\", added_tokens of tokenizer.json lacks "
      "it. transformers obeys the former: they must agree");
  EXPECT_THAT(ErrorOf(kUncased, R"({"additional_special_tokens": ["[CLS]", "a"]})"),
              HasSubstr("tokenizer_config.json: additional_special_tokens[1] adds the token \"a\""));
  EXPECT_THAT(ErrorOf(kUncased, R"({"extra_special_tokens": {"image_token": "<i>"}})"),
              HasSubstr("tokenizer_config.json: extra_special_tokens.image_token adds the token \"<i>\""));
  EXPECT_THAT(ErrorOf(kUncased, "{}", "added_tokens.json", R"({"[CLS]": 1, "fox": 4})"),
              HasSubstr("added_tokens.json: fox adds the token \"fox\""));
  EXPECT_THAT(ErrorOf(kUncased, "{}", "special_tokens_map.json", R"({"additional_special_tokens": ["fox"]})"),
              HasSubstr("special_tokens_map.json: additional_special_tokens[0] adds the token \"fox\""));
  // Then the decoder stands for both.
  EXPECT_EQ(ErrorOf(kUncased, R"({"added_tokens_decoder": {}})", "added_tokens.json", R"({"fox": 4})"), "");
}

TEST(TokenizerAgreement, ClassesThatReadNoTokenizerJsonAreRefused) {
  EXPECT_THAT(
      ErrorOf(kUncased, R"({"tokenizer_class": "BertJapaneseTokenizer"})"),
      HasSubstr("tokenizer_config.json: tokenizer_class is \"BertJapaneseTokenizer\", which is not implemented"));
}

}  // namespace
}  // namespace favor
