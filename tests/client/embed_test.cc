#include "client/embed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/client.h"
#include "client/embed_all.h"
#include "google/rpc/error_details.pb.h"
#include "tests/client/fake_embedding_server.h"
#include "tests/client/fake_server.h"

namespace favor::client {
namespace {

using favor::testing::FakeEmbeddingServer;
using favor::testing::StatusWithDetail;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

Client ConnectTo(const FakeEmbeddingServer& server, ClientOptions options = {}) {
  options.endpoint = server.endpoint();
  options.retries.initial_backoff = absl::Milliseconds(1);
  return *Client::Connect(options);
}

// "x", "x x", ...: text i has i + 1 words, so i + 3 tokens.
std::vector<EmbedInput> Texts(size_t count) {
  std::vector<EmbedInput> texts;
  std::string text = "x";
  for (size_t i = 0; i < count; ++i, text += " x") texts.emplace_back(text);
  return texts;
}

TEST(Embed, BringsBackVectorsOfTextsAndIds) {
  FakeEmbeddingServer server;
  const absl::StatusOr<Embeddings> answer =
      ConnectTo(server).Embed({"two words", std::vector<int32_t>{101, 7, 102, 5}, ""});
  ASSERT_TRUE(answer.ok()) << answer.status();
  ASSERT_THAT(answer->results, SizeIs(3));
  EXPECT_THAT(answer->results[0].vectors, ElementsAre(4, 103, 1));
  EXPECT_THAT(answer->results[1].vectors, ElementsAre(4, 101, 1));
  EXPECT_TRUE(absl::IsInvalidArgument(answer->results[2].status));
  EXPECT_EQ(answer->report.model, "tiny");
  EXPECT_EQ(answer->report.num_tokens, 8);
  EXPECT_EQ(answer->num_attempts, 1);
  EXPECT_GT(answer->round_trip, absl::ZeroDuration());
  EXPECT_EQ(answer->request_bytes, static_cast<int64_t>(server.last_embed_request().ByteSizeLong()));
  EXPECT_GT(answer->response_bytes, 0);
}

TEST(Embed, IsTriedAgainWhenTheServerIsUnavailableOrSaysWhenToComeBack) {
  FakeEmbeddingServer server;
  server.OnEmbed([&server](const v1::EmbedRequest& request, v1::EmbedResponse* response) {
    if (server.num_embed_calls() == 1) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "draining");
    if (server.num_embed_calls() == 2) {
      google::rpc::RetryInfo info;
      info.mutable_retry_delay()->set_nanos(1000);
      return StatusWithDetail(grpc::StatusCode::RESOURCE_EXHAUSTED, "full", info);
    }
    return FakeEmbeddingServer::EmbedByDefault(request, response);
  });
  const absl::StatusOr<Embeddings> answer = ConnectTo(server).Embed({"a text"});
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->num_attempts, 3);
  EXPECT_THAT(answer->results[0].vectors, ElementsAre(4, 101, 1));
}

TEST(Embed, KeepsCodeAndMessageOfAnError) {
  FakeEmbeddingServer server;
  server.OnEmbed([](auto&, auto*) { return grpc::Status(grpc::StatusCode::NOT_FOUND, "model is \"big\""); });
  const absl::Status status = ConnectTo(server).Embed({"a"}, {.model = "big"}).status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_EQ(status.message(), "model is \"big\"");
  EXPECT_EQ(server.last_embed_request().model(), "big");
}

TEST(Embed, EndsAtTheDeadline) {
  FakeEmbeddingServer server;
  absl::Mutex mutex;
  bool release = false;
  server.OnEmbed([&](auto&, auto*) {
    absl::MutexLock lock(&mutex, absl::Condition(&release));
    return grpc::Status::OK;
  });
  const absl::Status status = ConnectTo(server).Embed({"a"}, {.deadline = absl::Milliseconds(30)}).status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(status));
  absl::MutexLock lock(&mutex);
  release = true;
}

TEST(Tokenize, BringsBackIdsRangesAndPieces) {
  FakeEmbeddingServer server;
  const std::vector<std::string> texts = {"one three", ""};
  const auto answer = ConnectTo(server).Tokenize(texts, {.model = "tiny", .with_pieces = true});
  ASSERT_TRUE(answer.ok()) << answer.status();
  ASSERT_THAT(*answer, SizeIs(2));
  EXPECT_THAT((*answer)[0].ids, ElementsAre(1, 103, 105, 2));
  EXPECT_THAT((*answer)[0].begins, ElementsAre(0, 0, 4, 0));
  EXPECT_THAT((*answer)[0].ends, ElementsAre(0, 3, 9, 0));
  EXPECT_THAT((*answer)[0].pieces, ElementsAre("[CLS]", "one", "three", "[SEP]"));
  EXPECT_THAT((*answer)[1].ids, ElementsAre(1, 2));
  EXPECT_EQ(server.last_tokenize_request().model(), "tiny");
}

TEST(Models, AreListedLoadedAndUnloaded) {
  FakeEmbeddingServer server;
  const Client client = ConnectTo(server);
  const absl::StatusOr<ModelInfo> loaded = client.LoadModel("new", "/models/new");
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->path, "/models/new");
  EXPECT_EQ(client.LoadModel("new")->name, "new");
  EXPECT_EQ(server.last_load_request().path(), "");
  const absl::StatusOr<std::vector<ModelInfo>> models = client.ListModels();
  ASSERT_TRUE(models.ok()) << models.status();
  ASSERT_THAT(*models, SizeIs(2));
  EXPECT_EQ((*models)[0].name, "new");
  EXPECT_EQ((*models)[1].prompts.at("query"), "search: ");
  EXPECT_TRUE(client.UnloadModel("new").ok());
  EXPECT_THAT(*client.ListModels(), SizeIs(1));
  EXPECT_TRUE(absl::IsNotFound(client.UnloadModel("new")));
}

TEST(EmbedAll, SplitsByCountAndReturnsResultsInOrder) {
  FakeEmbeddingServer server;
  std::atomic<int> largest{0};
  server.OnEmbed([&](const v1::EmbedRequest& request, v1::EmbedResponse* response) {
    largest = std::max(largest.load(), request.inputs_size());
    return FakeEmbeddingServer::EmbedByDefault(request, response);
  });
  EmbedAllOptions options;
  options.max_inputs = 7;
  std::vector<int64_t> progress;
  options.on_progress = [&progress](int64_t num_done, int64_t num_inputs) {
    EXPECT_EQ(num_inputs, 50);
    progress.push_back(num_done);
  };
  const absl::StatusOr<Embeddings> answer = EmbedAll(ConnectTo(server), Texts(50), options);
  ASSERT_TRUE(answer.ok()) << answer.status();
  ASSERT_THAT(answer->results, SizeIs(50));
  int64_t num_tokens = 0;
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(answer->results[i].vectors[0], static_cast<float>(i + 3));
    num_tokens += i + 3;
  }
  EXPECT_EQ(answer->report.num_tokens, num_tokens);
  EXPECT_EQ(answer->report.compute_time, 8 * absl::Milliseconds(2));
  EXPECT_EQ(server.num_embed_calls(), 8);
  EXPECT_EQ(largest, 7);
  EXPECT_THAT(progress, SizeIs(8));
  EXPECT_TRUE(std::is_sorted(progress.begin(), progress.end()));
  EXPECT_EQ(progress.back(), 50);
}

TEST(EmbedAll, SplitsByBytesAndSendsALargeInputAlone) {
  FakeEmbeddingServer server;
  std::mutex mutex;
  std::vector<int> sizes;
  server.OnEmbed([&](const v1::EmbedRequest& request, v1::EmbedResponse* response) {
    const std::lock_guard lock(mutex);
    sizes.push_back(request.inputs_size());
    return FakeEmbeddingServer::EmbedByDefault(request, response);
  });
  EmbedAllOptions options;
  options.max_bytes = 20;
  options.max_in_flight = 1;
  const std::vector<EmbedInput> inputs = {"12345678", std::vector<int32_t>{1, 2, 3}, std::string(100, 'x'), "1", "2"};
  ASSERT_TRUE(EmbedAll(ConnectTo(server), inputs, options).ok());
  EXPECT_THAT(sizes, ElementsAre(2, 1, 2));
}

TEST(EmbedAll, KeepsAsManyRequestsInFlightAsToldAndNoMore) {
  FakeEmbeddingServer server;
  absl::Mutex mutex;
  int in_flight = 0, most = 0;
  server.OnEmbed([&](const v1::EmbedRequest& request, v1::EmbedResponse* response) {
    absl::MutexLock lock(&mutex);
    most = std::max(most, ++in_flight);
    // Goes on once all three have met, after which they need not meet again.
    const auto met = [&most] { return most >= 3; };
    mutex.AwaitWithTimeout(absl::Condition(&met), absl::Seconds(60));
    --in_flight;
    return FakeEmbeddingServer::EmbedByDefault(request, response);
  });
  EmbedAllOptions options;
  options.max_inputs = 1;
  options.max_in_flight = 3;
  ASSERT_TRUE(EmbedAll(ConnectTo(server), Texts(12), options).ok());
  EXPECT_EQ(most, 3);
}

TEST(EmbedAll, AFailedRequestEndsItWithTheFirstError) {
  FakeEmbeddingServer server;
  server.OnEmbed([&](const v1::EmbedRequest& request, v1::EmbedResponse* response) {
    if (server.num_embed_calls() == 2) return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "pooling is 9");
    return FakeEmbeddingServer::EmbedByDefault(request, response);
  });
  EmbedAllOptions options;
  options.max_inputs = 1;
  options.max_in_flight = 1;
  const absl::Status status = EmbedAll(ConnectTo(server), Texts(10), options).status();
  EXPECT_EQ(status, absl::InvalidArgumentError("pooling is 9"));
  EXPECT_EQ(server.num_embed_calls(), 2);
}

TEST(EmbedAll, ErrorsNameTheInputsOfTheCaller) {
  FakeEmbeddingServer server;
  EmbedAllOptions options;
  options.max_inputs = 4;
  options.max_in_flight = 1;
  const auto bad_field = [](const std::string& field) {
    google::rpc::BadRequest bad_request;
    bad_request.add_field_violations()->set_field(field);
    return bad_request;
  };
  server.OnEmbed([&](const v1::EmbedRequest& request, v1::EmbedResponse* response) {
    const grpc::Status status = FakeEmbeddingServer::EmbedByDefault(request, response);
    if (server.num_embed_calls() < 3) return status;
    google::rpc::Status* error = response->mutable_results(1)->mutable_error();
    error->set_code(grpc::StatusCode::INVALID_ARGUMENT);
    error->set_message("inputs[1]: there are no tokens");
    error->add_details()->PackFrom(bad_field("inputs[1].text"));
    return status;
  });
  const absl::StatusOr<Embeddings> answer = EmbedAll(ConnectTo(server), Texts(10), options);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->results[9].status.message(), "inputs[9]: there are no tokens");
  EXPECT_EQ(FieldViolationsOf(answer->results[9].status).at(0).field, "inputs[9].text");

  server.OnEmbed([&](const v1::EmbedRequest& request, v1::EmbedResponse* response) {
    if (server.num_embed_calls() < 6) return FakeEmbeddingServer::EmbedByDefault(request, response);
    return StatusWithDetail(grpc::StatusCode::INVALID_ARGUMENT, "inputs[1] is odd", bad_field("inputs[1].ids"));
  });
  const absl::Status status = EmbedAll(ConnectTo(server), Texts(10), options).status();
  EXPECT_EQ(status.message(), "inputs[9] is odd");
  EXPECT_EQ(FieldViolationsOf(status).at(0).field, "inputs[9].ids");
}

TEST(EmbedAll, VectorsOfTwoModelsAreNotMixed) {
  FakeEmbeddingServer server;
  server.OnEmbed([&](const v1::EmbedRequest& request, v1::EmbedResponse* response) {
    const grpc::Status status = FakeEmbeddingServer::EmbedByDefault(request, response);
    response->mutable_report()->set_model_id(absl::StrCat("id ", server.num_embed_calls()));
    return status;
  });
  EmbedAllOptions options;
  options.max_inputs = 1;
  options.max_in_flight = 1;
  const absl::Status status = EmbedAll(ConnectTo(server), Texts(2), options).status();
  EXPECT_TRUE(absl::IsAborted(status));
  EXPECT_THAT(status.message(), HasSubstr("model_id was id 1 and became id 2"));
}

TEST(EmbedAll, RefusesMoreInputsOfARequestThanServersTake) {
  FakeEmbeddingServer server;
  EmbedAllOptions options;
  options.max_inputs = 65'537;
  EXPECT_EQ(EmbedAll(ConnectTo(server), Texts(1), options).status(),
            absl::InvalidArgumentError("max_inputs is 65537, a request has at most 65536 inputs"));
  EXPECT_EQ(server.num_embed_calls(), 0);
  options.max_inputs = 65'536;
  EXPECT_TRUE(EmbedAll(ConnectTo(server), Texts(1), options).ok());
}

TEST(EmbedAll, OfNothingIsNothing) {
  FakeEmbeddingServer server;
  const absl::StatusOr<Embeddings> answer = EmbedAll(ConnectTo(server), {});
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(answer->results, SizeIs(0));
  EXPECT_EQ(server.num_embed_calls(), 0);
  EmbedAllOptions options;
  options.max_inputs = 0;
  EXPECT_EQ(EmbedAll(ConnectTo(server), Texts(1), options).status(),
            absl::InvalidArgumentError("max_inputs is 0, the least is 1"));
}

}  // namespace
}  // namespace favor::client
