#include "client/embedding_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/client.h"
#include "tests/client/fake_embedding_server.h"

namespace favor::client {
namespace {

using favor::testing::FakeEmbeddingServer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Client ConnectTo(const FakeEmbeddingServer& server) { return *Client::Connect({.endpoint = server.endpoint()}); }

TEST(EmbeddingStream, BringsBackResultsInTheOrderOfTheInputs) {
  FakeEmbeddingServer server;
  const Client client = ConnectTo(server);
  EmbeddingStream stream = client.EmbedStream();
  std::thread sender([&stream] {
    for (int i = 0; i < 2000; ++i) ASSERT_TRUE(stream.Send(i % 3 == 0 ? std::string(5000, 'x') : std::string("y")));
    EXPECT_TRUE(stream.Send(std::vector<int32_t>{101, 7, 102, 5}));
    EXPECT_TRUE(stream.Send(""));
    stream.SendNoMore();
  });
  for (int i = 0; i < 2000; ++i) {
    const auto result = stream.Read();
    ASSERT_TRUE(result.ok() && result->has_value()) << result.status();
    ASSERT_THAT((*result)->vectors, ElementsAre(3, i % 3 == 0 ? 5100 : 101, 1)) << i;
  }
  EXPECT_THAT((*stream.Read())->vectors, ElementsAre(4, 101, 1));
  EXPECT_TRUE(absl::IsInvalidArgument((*stream.Read())->status));
  EXPECT_EQ(stream.Read()->has_value(), false);
  EXPECT_EQ(stream.Read()->has_value(), false);  // and again
  sender.join();
}

TEST(EmbeddingStream, SendsTheOptionsFirst) {
  FakeEmbeddingServer server;
  const Client client = ConnectTo(server);
  EmbeddingStream stream = client.EmbedStream({.pooling = Pooling::kNone});
  ASSERT_TRUE(stream.Send("a b"));
  const auto result = stream.Read();
  ASSERT_TRUE(result.ok() && result->has_value());
  EXPECT_EQ((*result)->num_vectors, 4);
}

TEST(EmbeddingStream, ThatCannotBeginTellsWhyAtTheFirstRead) {
  FakeEmbeddingServer server;
  const Client client = ConnectTo(server);
  EmbeddingStream stream = client.EmbedStream({.model = "other"});
  const absl::Status status = stream.Read().status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("no such model"));
  EXPECT_FALSE(stream.Send("late"));
  const auto nobody = Client::Connect({.endpoint = "unix:/nonexistent/socket"});
  EXPECT_TRUE(absl::IsUnavailable(nobody->EmbedStream().Read().status()));
}

TEST(EmbeddingStream, EndsWhenItIsCancelledOrDropped) {
  FakeEmbeddingServer server;
  const Client client = ConnectTo(server);
  EmbeddingStream stream = client.EmbedStream();
  ASSERT_TRUE(stream.Send("one"));
  ASSERT_TRUE(stream.Read()->has_value());
  std::thread canceller([&stream] { stream.Cancel(); });
  EXPECT_TRUE(absl::IsCancelled(stream.Read().status()));
  canceller.join();
  client.EmbedStream().Send("dropped with its result unread");
  EmbeddingStream with_deadline = client.EmbedStream({.deadline = absl::Milliseconds(50)});
  EXPECT_TRUE(absl::IsDeadlineExceeded(with_deadline.Read().status()));
}

}  // namespace
}  // namespace favor::client
