// EmbedStream of a whole server with fake models, called through gRPC.
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/services/embed_stream_client.h"
#include "tests/server/services/running_server.h"

namespace favor {
namespace {

using ::testing::ElementsAre;
using testing::EmbedStreamClient;
using testing::FieldIn;
using ::testing::HasSubstr;
using testing::RunningServer;

class EmbedStreamTest : public ::testing::Test {
 protected:
  EmbedStreamTest() : server_({"--model", "fake=/models/fake"}) { EXPECT_TRUE(server_.Load().ok()); }

  EmbedStreamClient Open() { return EmbedStreamClient(server_.embedding.get()); }

  // What becomes of a stream that begins with this message.
  grpc::Status StatusOf(const v1::EmbedStreamRequest& first) {
    EmbedStreamClient stream = Open();
    stream.Send(first);
    stream.SendNoMore();
    return stream.Finish();
  }

  RunningServer server_;
};

v1::EmbedStreamRequest StartWith(const v1::EmbedRequest& start) {
  v1::EmbedStreamRequest request;
  *request.mutable_start() = start;
  return request;
}

TEST_F(EmbedStreamTest, AnswersEveryInputAsEmbedDoesInTheirOrder) {
  v1::EmbedRequest request;
  request.set_pooling(v1::POOLING_NONE);
  request.set_over_length(v1::OVER_LENGTH_WINDOWS);
  EmbedStreamClient stream = Open();
  ASSERT_TRUE(stream.Start(request));
  // More than a stream holds at once: inputs of one token and of several windows, so that batches of theirs end out of
  // order.
  constexpr int kInputs = 3000;
  const auto text_of = [](int i) {
    std::string text = absl::StrCat("word", i);
    for (int more = 0; more < i % 40; ++more) text += absl::StrCat(" w", more);
    return text;
  };
  std::thread sender([&] {
    for (int i = 0; i < kInputs; ++i) ASSERT_TRUE(stream.SendText(7 * i % 1000, text_of(i)));
    stream.SendNoMore();
  });
  for (int i = 0; i < kInputs; ++i) request.add_inputs()->set_text(text_of(i));
  v1::EmbedResponse expected;
  ASSERT_TRUE(server_.Embed(request, &expected).ok());
  for (int i = 0; i < kInputs; ++i) {
    const auto response = stream.Read();
    ASSERT_TRUE(response.has_value()) << i;
    ASSERT_EQ(response->id(), 7 * i % 1000);
    ASSERT_EQ(response->result().SerializeAsString(), expected.results(i).SerializeAsString()) << i;
  }
  sender.join();
  EXPECT_FALSE(stream.Read().has_value());
  EXPECT_TRUE(stream.Finish().ok());
}

TEST_F(EmbedStreamTest, AnswersAnInputBeforeTheNextIsSent) {
  EmbedStreamClient stream = Open();
  ASSERT_TRUE(stream.Start());
  for (uint64_t id = 0; id < 20; ++id) {
    ASSERT_TRUE(stream.SendText(id, "one two"));
    const auto response = stream.Read();
    ASSERT_TRUE(response.has_value());
    EXPECT_EQ(response->id(), id);
    EXPECT_EQ(response->result().num_tokens(), 4);
  }
  stream.SendNoMore();
  EXPECT_TRUE(stream.Finish().ok());
}

TEST_F(EmbedStreamTest, AnErrorOfAnInputEndsNothingElse) {
  EmbedStreamClient stream = Open();
  ASSERT_TRUE(stream.Start());
  ASSERT_TRUE(stream.SendText(1, "bad \xff text"));
  v1::EmbedStreamRequest empty;
  empty.mutable_input()->set_id(2);
  ASSERT_TRUE(stream.Send(empty));
  v1::EmbedStreamRequest outside;
  outside.mutable_input()->set_id(3);
  outside.mutable_input()->mutable_input()->mutable_ids()->add_ids(5000);
  ASSERT_TRUE(stream.Send(outside));
  ASSERT_TRUE(stream.SendText(4, "good"));
  stream.SendNoMore();
  EXPECT_THAT(stream.Read()->result().error().message(), HasSubstr("input.input: the text is not UTF-8 at byte 4"));
  EXPECT_THAT(stream.Read()->result().error().message(), HasSubstr("input.input has neither text nor ids"));
  const auto third = stream.Read();
  EXPECT_EQ(third->id(), 3);
  EXPECT_THAT(third->result().error().message(), HasSubstr("5000"));
  EXPECT_EQ(third->result().error().code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(stream.Read()->result().num_tokens(), 3);
  EXPECT_TRUE(stream.Finish().ok());
}

TEST_F(EmbedStreamTest, StartsAsItsFirstMessageSays) {
  EXPECT_TRUE(StatusOf(StartWith({})).ok());
  v1::EmbedRequest start;
  start.set_model("other");
  EXPECT_EQ(StatusOf(StartWith(start)).error_code(), grpc::StatusCode::NOT_FOUND);
  start.set_model("fake");
  start.set_dimensions(9);
  EXPECT_EQ(FieldIn(StatusOf(StartWith(start))), "start.dimensions");
  start.set_dimensions(0);
  start.add_inputs()->set_text("a");
  EXPECT_EQ(FieldIn(StatusOf(StartWith(start))), "start.inputs");
  v1::EmbedStreamRequest input;
  input.mutable_input()->mutable_input()->set_text("a");
  EXPECT_EQ(FieldIn(StatusOf(input)), "start");
  EXPECT_EQ(FieldIn(StatusOf({})), "start");
}

TEST_F(EmbedStreamTest, EndsWithAStartOrNothingInThePlaceOfAnInput) {
  for (const auto& [message, field] :
       {std::pair<v1::EmbedStreamRequest, std::string>{StartWith({}), "start"}, {v1::EmbedStreamRequest(), "input"}}) {
    EmbedStreamClient stream = Open();
    ASSERT_TRUE(stream.Start());
    ASSERT_TRUE(stream.SendText(1, "one"));
    ASSERT_TRUE(stream.Read().has_value());
    ASSERT_TRUE(stream.Send(message));
    const grpc::Status status = stream.Finish();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(FieldIn(status), field);
  }
}

TEST_F(EmbedStreamTest, WithoutAStartIsRefused) {
  EmbedStreamClient stream = Open();
  stream.SendNoMore();
  const grpc::Status status = stream.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "the stream ended before its start");
}

TEST(EmbedStream, KeepsTheModelItBeganWith) {
  int num_loads = 0;
  RunningServer server({"--model", "fake=/models/fake", "--model-admin", "true"}, [&](const std::string&) {
    testing::FakeEncoderOptions options;
    options.dimensions = 8 * ++num_loads;
    return testing::FakeModel(options);
  });
  ASSERT_TRUE(server.Load().ok());
  EmbedStreamClient stream(server.embedding.get());
  ASSERT_TRUE(stream.Start());
  ASSERT_TRUE(stream.SendText(1, "one"));
  EXPECT_THAT(stream.Read()->result().embedding().shape(), ElementsAre(8));
  v1::LoadModelRequest load;
  load.set_name("fake");
  v1::LoadModelResponse loaded;
  grpc::ClientContext context;
  ASSERT_TRUE(server.models->LoadModel(&context, load, &loaded).ok());
  ASSERT_TRUE(stream.SendText(2, "one"));
  EXPECT_THAT(stream.Read()->result().embedding().shape(), ElementsAre(8));
}

TEST(EmbedStream, WaitsWhereAUnaryCallIsRefusedForAFullQueue) {
  // The queue takes one token of a call that is not alone, so whatever comes second has no room.
  RunningServer server({"--model", "fake=/models/fake", "--embed-batch-tokens", "8", "--embed-queue-tokens", "1"});
  ASSERT_TRUE(server.Load().ok());
  std::vector<std::thread> clients;
  for (int c = 0; c < 8; ++c) {
    clients.emplace_back([&server] {
      EmbedStreamClient stream(server.embedding.get());
      ASSERT_TRUE(stream.Start());
      std::thread sender([&stream] {
        for (int i = 0; i < 200; ++i) ASSERT_TRUE(stream.SendText(i, "one two three"));
        stream.SendNoMore();
      });
      for (int i = 0; i < 200; ++i) {
        const auto response = stream.Read();
        ASSERT_TRUE(response.has_value());
        ASSERT_TRUE(response->result().has_embedding()) << response->result().error().message();
      }
      sender.join();
      EXPECT_TRUE(stream.Finish().ok());
    });
  }
  for (std::thread& client : clients) client.join();
}

TEST(EmbedStream, AnInputThatCannotBeComputedHasItsOwnErrorAndTheOthersGoOn) {
  // Four tokens with the two around them.
  RunningServer server({"--model", "fake=/models/fake", "--memory-budget", "8MiB", "--embed-batch-tokens", "1000"},
                       [](const std::string&) {
                         testing::FakeEncoderOptions options;
                         options.on_run = [](int64_t num_tokens) {
                           return num_tokens % 10 == 4 ? absl::InvalidArgumentError("keys is inf") : absl::OkStatus();
                         };
                         return testing::FakeModel(options);
                       });
  ASSERT_TRUE(server.Load().ok());
  EmbedStreamClient stream(server.embedding.get());
  ASSERT_TRUE(stream.Start());
  std::string long_text;
  for (int i = 0; i < 60'000; ++i) long_text += "a ";
  ASSERT_TRUE(stream.SendText(1, "one two"));
  const auto overflowed = stream.Read();
  ASSERT_TRUE(overflowed.has_value());
  EXPECT_EQ(overflowed->result().error().code(), grpc::StatusCode::INTERNAL);
  ASSERT_TRUE(stream.SendText(2, "two"));
  EXPECT_TRUE(stream.Read()->result().has_embedding());
  ASSERT_TRUE(stream.SendText(3, long_text));  // 6 MB of scratch memory and more
  ASSERT_TRUE(stream.SendText(4, "four"));
  stream.SendNoMore();
  const auto large = stream.Read();
  ASSERT_TRUE(large.has_value());
  EXPECT_TRUE(large->result().has_error());
  const auto last = stream.Read();
  ASSERT_TRUE(last.has_value());
  EXPECT_TRUE(last->result().has_embedding()) << last->result().error().message();
  EXPECT_TRUE(stream.Finish().ok());
}

TEST(EmbedStream, RefusesAnInputThatNeverFitsAndGoesOn) {
  RunningServer server({"--model", "fake=/models/fake", "--memory-budget", "200KiB"});
  ASSERT_TRUE(server.Load().ok());
  EmbedStreamClient stream(server.embedding.get());
  ASSERT_TRUE(stream.Start());
  ASSERT_TRUE(stream.SendText(1, std::string(50'000, 'x')));
  ASSERT_TRUE(stream.SendText(2, "short"));
  stream.SendNoMore();
  const auto first = stream.Read();
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->result().error().code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(first->result().error().message(), HasSubstr("the memory budget is 204800"));
  EXPECT_TRUE(stream.Read()->result().has_embedding());
  EXPECT_TRUE(stream.Finish().ok());
}

}  // namespace
}  // namespace favor
