#include "client/cli/bench_embed_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "client/cli/bench_embed_report.h"
#include "client/cli/console.h"
#include "tests/client/cli/run_favor.h"
#include "tests/client/fake_embedding_server.h"

namespace favor::cli {
namespace {

using favor::testing::FakeEmbeddingServer;
using favor::testing::FavorRun;
using favor::testing::RunFavor;
using ::testing::HasSubstr;

FavorRun Bench(const std::string& endpoint, std::vector<std::string> flags, const std::string& input = "") {
  flags.insert(flags.begin(), {"bench-embed", "--endpoint", endpoint, "--duration", "100ms", "--warm-up", "1ms"});
  return RunFavor(flags, input);
}

TEST(BenchEmbed, SendsTheTextsAndTheOptionsOfTheFlags) {
  FakeEmbeddingServer server;
  const FavorRun run = Bench(server.endpoint(), {"--closed-loop", "--batch", "3", "--words", "5", "--model", "tiny",
                                                 "--attention", "features", "--num-features", "64"});
  EXPECT_EQ(run.exit_code, kExitOk) << run.error;
  const v1::EmbedRequest request = server.last_embed_request();
  ASSERT_EQ(request.inputs_size(), 3);
  EXPECT_EQ(std::count(request.inputs(0).text().begin(), request.inputs(0).text().end(), ' '), 4);
  EXPECT_EQ(request.model(), "tiny");
  EXPECT_EQ(request.attention().features().num_features(), 64);
  EXPECT_EQ(Bench(server.endpoint(), {"--rate", "100", "--texts", "-"}, "a text\n").exit_code, kExitOk);
  EXPECT_EQ(server.last_embed_request().inputs(0).text(), "a text");
}

TEST(BenchEmbed, JsonAddsUpAndHasEveryFieldTheHelpNames) {
  FakeEmbeddingServer server;
  const FavorRun run = Bench(server.endpoint(), {"--rate", "300", "--words", "5", "--connections", "2", "--json"});
  ASSERT_EQ(run.exit_code, kExitOk) << run.error;
  const Json json = Json::parse(run.out);
  const std::string help = RunFavor({"bench-embed", "--help"}).out;
  for (const auto& [name, value] : json.items()) EXPECT_THAT(help, HasSubstr(name));
  const Json& embed = json.at("embed");
  for (const auto& [name, value] : embed.items()) EXPECT_THAT(help, HasSubstr(name));
  EXPECT_EQ(embed.at("planned"), embed.at("sent").get<int>() + embed.at("dropped").get<int>());
  EXPECT_GT(embed.at("succeeded").get<int>(), 0);
  // Five words, [CLS] and [SEP].
  EXPECT_EQ(embed.at("num_tokens").get<int>(), 7 * embed.at("succeeded").get<int>());
  EXPECT_GT(embed.at("latency_seconds").at("p50").get<double>(), 0);
  EXPECT_EQ(json.at("texts"), "5 words, constant");
  EXPECT_EQ(json.at("dimensions"), 3);
}

TEST(BenchEmbed, FailuresMakeTheExitCodeOne) {
  FakeEmbeddingServer server;
  server.OnEmbed([&server](const v1::EmbedRequest& request, v1::EmbedResponse* response) {
    if (server.num_embed_calls() % 2 == 0) return grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "no room");
    return FakeEmbeddingServer::EmbedByDefault(request, response);
  });
  const FavorRun run = Bench(server.endpoint(), {"--closed-loop", "--concurrency", "1"});
  EXPECT_EQ(run.exit_code, kExitFailure);
  EXPECT_THAT(run.error, HasSubstr("embed calls failed: RESOURCE_EXHAUSTED: no room"));
  EXPECT_THAT(run.out, HasSubstr("times RESOURCE_EXHAUSTED, first: no room"));
}

TEST(BenchEmbed, AFirstCallThatFailsIsTheWholeStory) {
  FakeEmbeddingServer server;
  const FavorRun run = Bench(server.endpoint(), {"--texts", "-", "--json"}, "\n");
  EXPECT_EQ(run.exit_code, kExitFailure);
  EXPECT_EQ(run.error, "favor bench-embed: INVALID_ARGUMENT: the text has no words\n");
  EXPECT_EQ(server.num_embed_calls(), 1);
}

TEST(BenchEmbed, ErrorsAboutTheTextsNameTheirFlag) {
  EXPECT_THAT(Bench("127.0.0.1:1", {"--texts", "-"}).error, HasSubstr("INVALID_ARGUMENT: --texts: - has no inputs"));
  EXPECT_THAT(Bench("127.0.0.1:1", {"--texts", "/no/such"}).error,
              HasSubstr("NOT_FOUND: --texts: cannot read /no/such"));
}

TEST(BenchEmbed, RefusesFlagsThatMakeNoSense) {
  const auto error = [](const std::vector<std::string>& flags) {
    const FavorRun run = Bench("127.0.0.1:1", flags);
    EXPECT_EQ(run.exit_code, kExitUsage) << run.error;
    return run.error;
  };
  EXPECT_THAT(error({"--rate", "0"}), HasSubstr("--rate is 0, it must be above 0"));
  EXPECT_THAT(error({"--words", "0"}), HasSubstr("--words is 0, the least is 1"));
  EXPECT_THAT(error({"--batch", "0"}), HasSubstr("--batch is 0, the least is 1"));
  EXPECT_THAT(error({"--words", "1000000000000"}), HasSubstr("--words is 1000000000000, the most is 100000"));
  EXPECT_THAT(error({"--batch", "1000000000000"}), HasSubstr("--batch is 1000000000000, the most is 65536"));
  EXPECT_THAT(error({"--texts", "a", "--words", "3"}), HasSubstr("either --texts or --words"));
  EXPECT_THAT(error({"--normalize", "--no-normalize"}), HasSubstr("either --normalize or --no-normalize"));
  EXPECT_THAT(error({"--spread", "wide"}), HasSubstr("one of constant, uniform, exponential"));
}

TEST(BenchEmbedReport, TextHasTheFiguresAndTheirUnits) {
  BenchEmbedReport report;
  report.plan.rate = 50;
  report.endpoint = "127.0.0.1:50051";
  report.texts = "32 words, constant";
  report.inputs_per_call = 4;
  report.dimensions = 384;
  report.server.model = "minilm";
  report.server.model_id = "00112233445566778899aabbccddeeff";
  report.server.attention.mode = client::ExactSpec();
  report.server.server_version = "1.2.3";
  report.server.cpu_target = "AVX3";
  report.embed.sent = report.embed.succeeded = 8;
  report.embed.elapsed = absl::Seconds(2);
  report.embed.work = {.calls = 8, .tokens = 1088};
  report.embed.latency.Record(absl::Milliseconds(20));
  std::ostringstream out;
  PrintText(report, out);
  for (const char* line :
       {"  model           minilm (00112233), 384 dimensions\n", "  attention       exact softmax, bidirectional\n",
        "  texts           32 words, constant, 4 in a call\n",
        "  throughput      4.0 calls/s, 0.0 MB/s, 16.0 inputs/s, 544 tokens/s\n", "  latency             20.000"}) {
    EXPECT_THAT(out.str(), HasSubstr(line));
  }
  EXPECT_EQ(ToJson(report).at("embed").at("tokens_per_second"), 544);
  EXPECT_EQ(ToJson(report).at("embed").at("inputs_per_second"), 16);
}

}  // namespace
}  // namespace favor::cli
