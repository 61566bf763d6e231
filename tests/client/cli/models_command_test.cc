#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "client/cli/console.h"
#include "client/cli/json.h"
#include "tests/client/cli/run_favor.h"
#include "tests/client/fake_embedding_server.h"

namespace favor::cli {
namespace {

using favor::testing::FakeEmbeddingServer;
using favor::testing::FavorRun;
using favor::testing::RunFavor;
using ::testing::HasSubstr;

FavorRun Models(const FakeEmbeddingServer& server, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"models", "--endpoint=" + server.endpoint(), "--retries=0"});
  return RunFavor(arguments);
}

TEST(ModelsCommand, PrintsATable) {
  FakeEmbeddingServer server;
  const FavorRun run = Models(server, {});
  EXPECT_EQ(run.exit_code, kExitOk) << run.error;
  EXPECT_EQ(run.out,
            "name  architecture         dims   tokens  pooling      takes    parameters     memory  id\n"
            "tiny  bert                    3      512  mean, unit   text       22713216    90.9 MB  00112233\n");
}

TEST(ModelsCommand, NamesAllPoolingsOfAModel) {
  FakeEmbeddingServer server;
  server.SetPoolings("tiny", {v1::POOLING_CLS, v1::POOLING_WEIGHTED_MEAN});
  EXPECT_EQ(
      Models(server, {}).out,
      "name  architecture         dims   tokens  pooling                 takes    parameters     memory  id\n"
      "tiny  bert                    3      512  cls+weighted_mean, unit text       22713216    90.9 MB  00112233\n");
  const Json model = Json::parse(Models(server, {"--json"}).out).at("models").at(0);
  EXPECT_EQ(model.at("pooling"), "unspecified");
  EXPECT_EQ(model.at("poolings"), Json::parse(R"(["cls", "weighted_mean"])"));
}

TEST(ModelsCommand, TellsOfADefaultPromptIfThereIsOne) {
  FakeEmbeddingServer server;
  server.SetDefaultPrompt("tiny", "query");
  EXPECT_THAT(
      Models(server, {}).out,
      HasSubstr("00112233\ntiny puts its prompt query, \"search: \", in front of texts unless told otherwise\n"));
  EXPECT_EQ(Json::parse(Models(server, {"--json"}).out).at("models").at(0).at("default_prompt"), "query");
}

TEST(ModelsCommand, JsonHasEveryFieldAndTheHelpNamesIt) {
  FakeEmbeddingServer server;
  const FavorRun run = Models(server, {"--json"});
  ASSERT_EQ(run.exit_code, kExitOk) << run.error;
  const Json model = Json::parse(run.out).at("models").at(0);
  EXPECT_EQ(model.size(), static_cast<size_t>(v1::ModelInfo::descriptor()->field_count()));
  const std::string help = RunFavor({"models", "--help"}).out;
  for (int i = 0; i < v1::ModelInfo::descriptor()->field_count(); ++i) {
    const std::string& name = v1::ModelInfo::descriptor()->field(i)->name();
    EXPECT_TRUE(model.contains(name)) << name;
    EXPECT_THAT(help, HasSubstr(name));
  }
  EXPECT_EQ(model.at("pooling"), "mean");
  EXPECT_EQ(model.at("poolings"), Json::parse(R"(["mean"])"));
  EXPECT_EQ(model.at("prompts").at("query"), "search: ");
}

TEST(ModelsCommand, LoadsAndUnloads) {
  FakeEmbeddingServer server;
  const FavorRun loaded = Models(server, {"load", "big=/models/a=b"});
  EXPECT_EQ(loaded.exit_code, kExitOk) << loaded.error;
  EXPECT_THAT(loaded.out, HasSubstr("\nbig   bert"));
  EXPECT_EQ(server.last_load_request().name(), "big");
  EXPECT_EQ(server.last_load_request().path(), "/models/a=b");
  const FavorRun again = Models(server, {"load", "big", "--json"});
  EXPECT_EQ(Json::parse(again.out).at("loaded").at("name"), "big");
  EXPECT_EQ(server.last_load_request().path(), "");
  EXPECT_EQ(Models(server, {"unload", "big"}).out, "unloaded big\n");
  const FavorRun gone = Models(server, {"unload", "big", "--json"});
  EXPECT_EQ(gone.exit_code, kExitFailure);
  EXPECT_THAT(gone.error, HasSubstr("favor models: NOT_FOUND: name is \"big\""));
  EXPECT_EQ(Json::parse(Models(server, {"unload", "tiny", "--json"}).out).at("unloaded"), "tiny");
  EXPECT_EQ(Models(server, {}).out, "no models are loaded\n");
}

TEST(ModelsCommand, RefusesWhatIsNoneOfItsForms) {
  FakeEmbeddingServer server;
  const auto error = [&server](const std::vector<std::string>& words) {
    const FavorRun run = Models(server, words);
    EXPECT_EQ(run.exit_code, kExitUsage) << run.error;
    return run.error;
  };
  EXPECT_THAT(error({"laod", "a"}), HasSubstr("\"laod\" is neither load nor unload; did you mean load?"));
  EXPECT_THAT(error({"load"}), HasSubstr("load takes NAME=FOLDER or NAME"));
  EXPECT_THAT(error({"unload", "a", "b"}), HasSubstr("unload takes NAME"));
  EXPECT_THAT(error({"load", "=/models"}), HasSubstr("lacks a name or a folder"));
  EXPECT_THAT(error({"load", "a="}), HasSubstr("lacks a name or a folder"));
}

}  // namespace
}  // namespace favor::cli
