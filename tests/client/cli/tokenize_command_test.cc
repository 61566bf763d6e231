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

FavorRun Tokenize(const FakeEmbeddingServer& server, std::vector<std::string> arguments,
                  const std::string& input = "") {
  arguments.insert(arguments.begin(), {"tokenize", "--endpoint=" + server.endpoint(), "--retries=0"});
  return RunFavor(arguments, input);
}

TEST(TokenizeCommand, PrintsPieceIdAndBytesOfEveryToken) {
  FakeEmbeddingServer server;
  const FavorRun run = Tokenize(server, {"one three"});
  EXPECT_EQ(run.exit_code, kExitOk) << run.error;
  EXPECT_EQ(run.out,
            "\"one three\": 4 tokens\n"
            "        id  piece                bytes        text\n"
            "         1  [CLS]\n"
            "       103  one                  0-2          one\n"
            "       105  three                4-8          three\n"
            "         2  [SEP]\n");
}

TEST(TokenizeCommand, ColumnsLineUpForTextOfSeveralBytes) {
  FakeEmbeddingServer server;
  EXPECT_THAT(Tokenize(server, {"für"}).out, HasSubstr("       104  für                  0-3          für\n"));
}

TEST(TokenizeCommand, PrintsJson) {
  FakeEmbeddingServer server;
  const FavorRun run =
      Tokenize(server, {"--input", "-", "--no-special-tokens", "--model", "tiny", "--json"}, "one\ntwo three\n");
  ASSERT_EQ(run.exit_code, kExitOk) << run.error;
  EXPECT_EQ(Json::parse(run.out), Json::parse(R"({"results": [
                {"text": "one", "ids": [103], "begins": [0], "ends": [3], "pieces": ["one"]},
                {"text": "two three", "ids": [103, 105], "begins": [0, 4], "ends": [3, 9],
                 "pieces": ["two", "three"]}]})"));
  EXPECT_TRUE(server.last_tokenize_request().without_special_tokens());
  EXPECT_EQ(server.last_tokenize_request().model(), "tiny");
}

TEST(TokenizeCommand, ARangeOutsideTheTextIsShownWithoutText) {
  FakeEmbeddingServer server;
  server.OnTokenize([](const v1::TokenizeRequest&, v1::TokenizeResponse* response) {
    v1::Tokens* tokens = response->add_results();
    tokens->add_ids(7);
    tokens->add_begins(2);
    tokens->add_ends(99);
    return grpc::Status::OK;
  });
  const FavorRun run = Tokenize(server, {"one"});
  EXPECT_EQ(run.exit_code, kExitOk);
  EXPECT_THAT(run.out, HasSubstr("2-98"));
}

TEST(TokenizeCommand, SplitsMoreTextsThanARequestHas) {
  FakeEmbeddingServer server;
  std::string lines;
  for (int i = 0; i < 65'539; ++i) lines += "a\n";
  const FavorRun run = Tokenize(server, {"--input", "-", "--json"}, lines);
  ASSERT_EQ(run.exit_code, kExitOk) << run.error;
  EXPECT_EQ(Json::parse(run.out)["results"].size(), 65'539u);
  EXPECT_EQ(server.last_tokenize_request().texts_size(), 3);

  server.OnTokenize([](const v1::TokenizeRequest& request, v1::TokenizeResponse* response) {
    for (int i = 0; i < request.texts_size(); ++i) response->add_results();
    return request.texts_size() > 3 ? grpc::Status::OK : grpc::Status(grpc::StatusCode::INTERNAL, "texts[2]: bad");
  });
  EXPECT_THAT(Tokenize(server, {"--input", "-"}, lines).error, HasSubstr("texts[65538]: bad"));
}

TEST(TokenizeCommand, TellsFailuresFromMisuse) {
  FakeEmbeddingServer server;
  server.OnTokenize([](auto&, auto*) { return grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "no tokenizer"); });
  const FavorRun failed = Tokenize(server, {"one"});
  EXPECT_EQ(failed.exit_code, kExitFailure);
  EXPECT_EQ(failed.error, "favor tokenize: FAILED_PRECONDITION: no tokenizer\n");
  EXPECT_EQ(Tokenize(server, {}).exit_code, kExitUsage);
  EXPECT_EQ(Tokenize(server, {"a", "--input", "-"}).exit_code, kExitUsage);
  EXPECT_THAT(Tokenize(server, {"--input", "-", "--jsonl"}, "{\"ids\": [1]}").error, HasSubstr("has ids"));
}

}  // namespace
}  // namespace favor::cli
