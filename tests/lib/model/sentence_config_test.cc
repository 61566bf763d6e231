#include "favor/model/sentence_config.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace favor {
namespace {

using ::testing::HasSubstr;

// The error of a folder with one file.
std::string ErrorOf(const std::string& file, const std::string& text) {
  // Tests run side by side.
  const std::filesystem::path folder =
      std::filesystem::path(::testing::TempDir()) / ::testing::UnitTest::GetInstance()->current_test_info()->name();
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories((folder / file).parent_path());
  std::ofstream(folder / file) << text;
  const absl::StatusOr<SentenceConfig> config = ReadSentenceConfig(folder.string());
  std::filesystem::remove_all(folder);
  return std::string(config.status().message());
}

TEST(SentenceConfig, RefusesToLeaveThePromptOutOfThePooling) {
  EXPECT_EQ(ErrorOf("1_Pooling/config.json", R"({"pooling_mode_cls_token":true,"include_prompt":true})"), "");
  EXPECT_THAT(ErrorOf("1_Pooling/config.json", R"({"pooling_mode_cls_token":true,"include_prompt":false})"),
              HasSubstr("1_Pooling/config.json: include_prompt is false, must be true"));
}

TEST(SentenceConfig, ReadsThePoolingByNameToo) {
  EXPECT_EQ(ErrorOf("1_Pooling/config.json", R"({"pooling_mode":"lasttoken"})"), "");
  EXPECT_EQ(ErrorOf("1_Pooling/config.json", R"({"pooling_mode":"weightedmean"})"),
            "1_Pooling/config.json: pooling_mode is \"weightedmean\", must be mean, cls, lasttoken or max");
  EXPECT_THAT(ErrorOf("1_Pooling/config.json", R"({"pooling_mode":["mean","max"]})"), HasSubstr("pooling_mode"));
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

TEST(SentenceConfig, RefusesOtherTasks) {
  EXPECT_THAT(ErrorOf("sentence_bert_config.json", R"({"transformer_task":"fill-mask"})"),
              HasSubstr("transformer_task is \"fill-mask\", must be feature-extraction"));
}

}  // namespace
}  // namespace favor
