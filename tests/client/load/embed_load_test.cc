#include "client/load/embed_load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "tests/client/fake_embedding_server.h"

namespace favor::load {
namespace {

using favor::testing::FakeEmbeddingServer;
using ::testing::Each;

std::vector<int64_t> Lengths(const TextPlan& plan) {
  std::vector<int64_t> lengths;
  for (const std::string& text : GenerateTexts(plan)) {
    const std::vector<std::string> words = absl::StrSplit(text, ' ');
    EXPECT_TRUE(std::none_of(words.begin(), words.end(), [](const std::string& word) { return word.empty(); }));
    lengths.push_back(static_cast<int64_t>(words.size()));
  }
  return lengths;
}

double Mean(const std::vector<int64_t>& lengths) {
  double sum = 0;
  for (const int64_t length : lengths) sum += static_cast<double>(length);
  return sum / static_cast<double>(lengths.size());
}

TEST(GenerateTexts, HasTheMeanAndTheSpreadAskedFor) {
  EXPECT_THAT(Lengths({.mean_words = 32}), Each(32));
  const std::vector<int64_t> uniform = Lengths({.mean_words = 32, .spread = LengthSpread::kUniform});
  // 4 standard errors: 18 / sqrt(1024) and 31 / sqrt(1024).
  EXPECT_NEAR(Mean(uniform), 32, 2.3);
  EXPECT_LE(*std::max_element(uniform.begin(), uniform.end()), 63);
  const std::vector<int64_t> exponential = Lengths({.mean_words = 32, .spread = LengthSpread::kExponential});
  EXPECT_NEAR(Mean(exponential), 32, 4);
  EXPECT_GT(*std::max_element(exponential.begin(), exponential.end()), 100);
  for (const LengthSpread spread : {LengthSpread::kConstant, LengthSpread::kUniform, LengthSpread::kExponential}) {
    EXPECT_THAT(Lengths({.mean_words = 1, .spread = spread, .num_texts = 10}), Each(1));
  }
}

TEST(GenerateTexts, TheSeedDecides) {
  EXPECT_EQ(GenerateTexts({.seed = 7}), GenerateTexts({.seed = 7}));
  EXPECT_NE(GenerateTexts({.seed = 7}), GenerateTexts({.seed = 8}));
}

std::vector<client::Client> Clients(const FakeEmbeddingServer& server) {
  std::vector<client::Client> clients;
  clients.push_back(*client::Client::Connect({.endpoint = server.endpoint()}));
  return clients;
}

TEST(EmbedLoad, GoesThroughTheTextsAndBeginsAgain) {
  FakeEmbeddingServer server;
  const EmbedLoad load({"a", "b b", "c c c"}, 2, {}, Clients(server));
  const auto texts = [&server] {
    std::vector<std::string> sent;
    const v1::EmbedRequest request = server.last_embed_request();
    for (const v1::EmbedInput& input : request.inputs()) sent.push_back(input.text());
    return sent;
  };
  const CallOutcome outcome = load.Call(0);
  EXPECT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_EQ(outcome.num_tokens, 3 + 4);
  EXPECT_EQ(outcome.compute_time, absl::Milliseconds(2));
  EXPECT_EQ(texts(), (std::vector<std::string>{"a", "b b"}));
  load.Call(1);
  EXPECT_EQ(texts(), (std::vector<std::string>{"c c c", "a"}));
}

TEST(EmbedLoad, ACallWithAnInputThatIsRefusedHasFailed) {
  FakeEmbeddingServer server;
  const EmbedLoad load({"a", ""}, 2, {}, Clients(server));
  EXPECT_TRUE(absl::IsInvalidArgument(load.Call(0).status));
}

}  // namespace
}  // namespace favor::load
