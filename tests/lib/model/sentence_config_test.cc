#include "favor/model/sentence_config.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace favor {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Of a folder with one file.
absl::StatusOr<SentenceConfig> ConfigOf(const std::string& file, const std::string& text) {
  // Tests run side by side.
  const std::filesystem::path folder =
      std::filesystem::path(::testing::TempDir()) / ::testing::UnitTest::GetInstance()->current_test_info()->name();
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories((folder / file).parent_path());
  std::ofstream(folder / file) << text;
  absl::StatusOr<SentenceConfig> config = ReadSentenceConfig(folder.string());
  std::filesystem::remove_all(folder);
  return config;
}

std::string ErrorOf(const std::string& file, const std::string& text) {
  return std::string(ConfigOf(file, text).status().message());
}

Poolings PoolingsOf(const std::string& text) { return ConfigOf("1_Pooling/config.json", text).value().pooling; }

TEST(SentenceConfig, RefusesToLeaveThePromptOutOfThePooling) {
  EXPECT_EQ(ErrorOf("1_Pooling/config.json", R"({"pooling_mode_cls_token":true,"include_prompt":true})"), "");
  EXPECT_THAT(ErrorOf("1_Pooling/config.json", R"({"pooling_mode_cls_token":true,"include_prompt":false})"),
              HasSubstr("1_Pooling/config.json: include_prompt is false, must be true"));
}

TEST(SentenceConfig, ReadsThePoolingByNameToo) {
  EXPECT_EQ(ErrorOf("1_Pooling/config.json", R"({"pooling_mode":"lasttoken"})"), "");
  EXPECT_EQ(PoolingsOf(R"({"pooling_mode":"weightedmean"})"), Pooling::kWeightedMean);
  EXPECT_EQ(PoolingsOf(R"({"pooling_mode":["mean_sqrt_len_tokens"]})"), Pooling::kMeanSqrtLen);
  const char* const known = "must be cls, max, mean, mean_sqrt_len_tokens, weightedmean or lasttoken";
  for (const char* value : {"\"median\"", "7", "true", "{}"}) {
    EXPECT_THAT(ErrorOf("1_Pooling/config.json", absl::StrCat(R"({"pooling_mode":)", value, "}")),
                AllOf(HasSubstr("1_Pooling/config.json: pooling_mode is "), HasSubstr(known)));
  }
}

TEST(SentenceConfig, JoinsPoolingsInTheOrderOfTheirListOrInThatOfTheFlags) {
  using enum Pooling;
  EXPECT_THAT(PoolingsOf(R"({"pooling_mode":["mean","max","cls"]})"), ElementsAre(kMean, kMax, kCls));
  EXPECT_THAT(PoolingsOf(R"({"pooling_mode_lasttoken":true,"pooling_mode_weightedmean_tokens":true,
    "pooling_mode_mean_sqrt_len_tokens":true,"pooling_mode_mean_tokens":true,"pooling_mode_max_tokens":true,
    "pooling_mode_cls_token":true})"),
              ElementsAre(kCls, kMax, kMean, kMeanSqrtLen, kWeightedMean, kLast));
  EXPECT_THAT(ErrorOf("1_Pooling/config.json", R"({"pooling_mode":[]})"), HasSubstr("pooling_mode is a list of 0"));
  EXPECT_THAT(ErrorOf("1_Pooling/config.json", R"({"pooling_mode":["mean",7]})"), HasSubstr("pooling_mode[1] is 7"));
  EXPECT_EQ(ErrorOf("1_Pooling/config.json", R"({"pooling_mode":["mean","max","mean"]})"),
            "1_Pooling/config.json: pooling_mode[2] is \"mean\", which is there twice");
}

TEST(SentenceConfig, PoolsByTheMeanWhereNoFlagIsSet) {
  EXPECT_EQ(PoolingsOf(R"({"pooling_mode_mean_tokens":false,"pooling_mode_cls_token":false})"), Pooling::kMean);
}

TEST(SentenceConfig, ANullPromptIsEmpty) {
  EXPECT_EQ(ErrorOf("config_sentence_transformers.json", R"({"prompts":{"q":null},"default_prompt_name":"q"})"), "");
  EXPECT_EQ(ErrorOf("config_sentence_transformers.json", R"({"prompts":{"q":1}})"),
            "config_sentence_transformers.json: prompts.q is 1, not a string");
}

TEST(SentenceConfig, TakesTheTokenizersLengthUnlessTheModelHasItsOwn) {
  const std::string folder = ::testing::TempDir() + "/sentence_config_lengths";
  std::filesystem::create_directories(folder);
  const auto max_tokens = [&folder](const std::string& tokenizer, const std::string& transformer) {
    std::ofstream(folder + "/tokenizer_config.json") << tokenizer;
    std::ofstream(folder + "/sentence_bert_config.json") << transformer;
    return ReadSentenceConfig(folder).value().max_tokens;
  };
  EXPECT_EQ(max_tokens(R"({"model_max_length": 20})", "{}"), 20);
  EXPECT_EQ(max_tokens(R"({"model_max_length": 20})", R"({"max_seq_length": 30})"), 30);
  EXPECT_EQ(max_tokens(R"({"model_max_length": 1000000000000000019884624838656})", "{}"), 0);
  EXPECT_EQ(max_tokens("{}", R"({"max_seq_length": null})"), 0);
}

TEST(SentenceConfig, OfATransformerHasOlderNamesToo) {
  for (const char* model : {"bert", "roberta", "camembert", "xlm-roberta"}) {
    const std::string file = std::string("sentence_") + model + "_config.json";
    EXPECT_THAT(ErrorOf(file, R"({"max_seq_length": 0})"), HasSubstr(file + ": max_seq_length is 0"));
  }
}

TEST(SentenceConfig, TakesTheLengthThatTheTokenizerIsCalledWith) {
  const std::string folder = ::testing::TempDir() + "/sentence_config_call_lengths";
  std::filesystem::create_directories(folder);
  const auto max_tokens = [&folder](const std::string& transformer) {
    std::ofstream(folder + "/sentence_bert_config.json") << transformer;
    return ReadSentenceConfig(folder).value().max_tokens;
  };
  EXPECT_EQ(max_tokens(R"({"max_seq_length": 30, "processor_kwargs": {"model_max_length": 20}})"), 20);
  EXPECT_EQ(max_tokens(R"({"max_seq_length": 30, "tokenizer_args": {"model_max_length": 40}})"), 40);
  EXPECT_EQ(max_tokens(R"({"max_seq_length": 30, "processing_kwargs": {"text": {"max_length": 8}}})"), 8);
}

TEST(SentenceConfig, RefusesArgumentsThatMakeOtherVectors) {
  const auto error_of = [](const std::string& text) { return ErrorOf("sentence_bert_config.json", text); };
  EXPECT_EQ(error_of(R"({"processor_kwargs": {"do_lower_case": true}})"),
            "sentence_bert_config.json: processor_kwargs.do_lower_case is true, which is not supported");
  EXPECT_EQ(error_of(R"({"tokenizer_args": {"strip_accents": false}})"),
            "sentence_bert_config.json: tokenizer_args.strip_accents is false, which is not supported");
  for (const char* name : {"config_args", "config_kwargs", "model_args", "model_kwargs"}) {
    EXPECT_EQ(error_of(std::string("{\"") + name + R"(": {"num_hidden_layers": 1}})"),
              std::string("sentence_bert_config.json: ") + name + ".num_hidden_layers is 1, which is not supported");
  }
  EXPECT_EQ(error_of(R"({"processing_kwargs": {"text": {"add_special_tokens": false}}})"),
            "sentence_bert_config.json: processing_kwargs.text.add_special_tokens is false, must be true");
  EXPECT_EQ(error_of(R"({"processing_kwargs": {"text": {"truncation_side": "left"}}})"),
            "sentence_bert_config.json: processing_kwargs.text.truncation_side is \"left\", which is not supported");
  EXPECT_EQ(error_of(R"({"processing_kwargs": {"common": {"truncation": false}}})"),
            "sentence_bert_config.json: processing_kwargs.common.truncation is false, must be true or longest_first");
  EXPECT_EQ(error_of(R"({"tokenizer_name_or_path": "elsewhere"})"),
            "sentence_bert_config.json: tokenizer_name_or_path is \"elsewhere\", which is not supported");
}

TEST(SentenceConfig, RefusesOtherOutputsThanTheLastLayers) {
  const auto error_of = [](const std::string& output, const std::string& name) {
    return ErrorOf("sentence_bert_config.json", R"({"modality_config": {"text": {"method": "forward",)"
                                                R"("method_output_name": )" +
                                                    output + R"(}}, "module_output_name": ")" + name + "\"}");
  };
  EXPECT_EQ(error_of("\"last_hidden_state\"", "token_embeddings"), "");
  EXPECT_EQ(error_of("[\"last_hidden_state\"]", "token_embeddings"), "");
  EXPECT_EQ(error_of("[\"hidden_states\", -2]", "token_embeddings"),
            "sentence_bert_config.json: modality_config.text.method_output_name is a list of 2, must be "
            "last_hidden_state");
  EXPECT_EQ(error_of("\"pooler_output\"", "sentence_embedding"),
            "sentence_bert_config.json: modality_config.text.method_output_name is \"pooler_output\", must be "
            "last_hidden_state");
  EXPECT_EQ(error_of("\"last_hidden_state\"", "sentence_embedding"),
            "sentence_bert_config.json: module_output_name is \"sentence_embedding\", must be token_embeddings");
}

// There sentence-transformers puts the chat template around every text.
TEST(SentenceConfig, RefusesTextsThatAreMessages) {
  EXPECT_EQ(ErrorOf("sentence_bert_config.json",
                    R"({"modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"},)"
                    R"("message": {"method": "forward", "method_output_name": "last_hidden_state", "format": "flat"}},)"
                    R"("module_output_name": "token_embeddings"})"),
            "sentence_bert_config.json: modality_config.message is an object, which is not supported: texts are no "
            "messages, no chat template is put around them");
}

TEST(SentenceConfig, TakesArgumentsThatChangeNothing) {
  EXPECT_EQ(ErrorOf("sentence_bert_config.json",
                    R"({"model_args": {"trust_remote_code": true, "torch_dtype": "float16"}, "tokenizer_args": {},
                        "config_kwargs": {"revision": "main"}, "processing_kwargs": {"text": {"padding": "longest"}},
                        "query_length": 32, "query_expansion": {"strategy": "fixed", "length": 32},
                        "unpad_inputs": true, "module_output_name": "token_embeddings"})"),
            "");
}

TEST(SentenceConfig, RefusesToCutVectorsBehindTheirNormalisation) {
  EXPECT_THAT(ErrorOf("config_sentence_transformers.json", R"({"truncate_dim": 16})"),
              HasSubstr("config_sentence_transformers.json: truncate_dim is 16, which is not supported"));
  EXPECT_EQ(ErrorOf("config_sentence_transformers.json", R"({"truncate_dim": null})"), "");
}

TEST(SentenceConfig, RefusesToNormaliseTokenVectors) {
  const std::string folder = ::testing::TempDir() + "/sentence_config_normalize";
  std::filesystem::create_directories(folder + "/1_Normalize");
  std::ofstream(folder + "/modules.json") << R"([{"path": "", "type": "sentence_transformers.models.Transformer"},
      {"path": "1_Normalize", "type": "sentence_transformers.models.Normalize"}])";
  const auto error_of = [&folder](const std::string& normalize) {
    std::ofstream(folder + "/1_Normalize/config.json") << normalize;
    return std::string(ReadSentenceConfig(folder).status().message());
  };
  EXPECT_EQ(error_of(R"({"module_input_name": "sentence_embedding"})"), "");
  EXPECT_EQ(error_of(R"({"module_input_name": "token_embeddings"})"),
            "1_Normalize/config.json: module_input_name is \"token_embeddings\", must be sentence_embedding");
}

TEST(SentenceConfig, RefusesOtherTasks) {
  EXPECT_THAT(ErrorOf("sentence_bert_config.json", R"({"transformer_task":"fill-mask"})"),
              HasSubstr("transformer_task is \"fill-mask\", must be feature-extraction"));
}

}  // namespace
}  // namespace favor
