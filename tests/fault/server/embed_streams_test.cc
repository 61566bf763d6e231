// EmbedStreams whose clients vanish, stall, come in too great numbers or never end.
#include <atomic>
#include <filesystem>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/harness/await.h"
#include "tests/integration/harness/exposition.h"
#include "tests/integration/harness/rpc.h"
#include "tests/integration/harness/sockets.h"
#include "tests/server/services/embed_stream_client.h"
#include "tests/server/services/running_server.h"

namespace favor::testing {
namespace {

using ::testing::HasSubstr;

// A server whose encoder takes the given time for a token, and its metrics.
class StreamServer {
 public:
  explicit StreamServer(std::vector<std::string> flags, absl::Duration time_per_token = absl::ZeroDuration())
      : running_(WithModel(std::move(flags)), LoaderOf(time_per_token), "127.0.0.1:0") {
    EXPECT_TRUE(running_.Load().ok());
  }

  v1::EmbeddingService::Stub* stub() { return running_.embedding.get(); }
  const std::string& address() const { return running_.server->addresses()[0]; }
  Server& server() { return *running_.server; }
  Exposition Metrics() const {
    const auto answer = HttpGet(running_.server->metrics_address(), "/metrics");
    EXPECT_TRUE(answer.ok()) << answer.status();
    return *Exposition::Parse(answer->body);
  }
  double Sum(const std::string& name) const { return Metrics().Sum(name); }
  bool IsIdle() const {
    const Exposition metrics = Metrics();
    return metrics.Sum("favor_open_streams") == 0 && metrics.Sum("favor_calls_in_flight") == 0 &&
           metrics.Sum("favor_admitted_bytes") == 0 && metrics.Sum("favor_embed_queue_tokens") == 0;
  }
  double Handled(const std::string& code) const {
    return Metrics().Sum("grpc_server_handled_total", {{"grpc_method", "EmbedStream"}, {"grpc_code", code}});
  }

 private:
  static std::vector<std::string> WithModel(std::vector<std::string> flags) {
    flags.insert(flags.end(), {"--model", "fake=/models/fake", "--drain-delay", "0s"});
    return flags;
  }
  static ModelRegistry::Loader LoaderOf(absl::Duration time_per_token) {
    return [time_per_token](const std::string&) {
      FakeEncoderOptions options;
      options.dimensions = 256;
      options.time_per_token = time_per_token;
      return FakeModel(options);
    };
  }

  RunningServer running_;
};

// A stream that has begun: the server has answered its first input.
std::unique_ptr<EmbedStreamClient> OpenStream(StreamServer& server, absl::Duration deadline = absl::Seconds(60)) {
  auto stream = std::make_unique<EmbedStreamClient>(server.stub(), deadline);
  EXPECT_TRUE(stream->Start());
  EXPECT_TRUE(stream->SendText(0, "first"));
  EXPECT_TRUE(stream->Read().has_value());
  return stream;
}

TEST(EmbedStream, OfAClientThatCancelsLeavesNothingBehind) {
  StreamServer server({}, absl::Milliseconds(1));
  auto stream = OpenStream(server);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(stream->SendText(i, "a b c d e f g h"));
  stream->Cancel();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(Eventually([&] { return server.IsIdle(); }));
  EXPECT_EQ(server.Handled("Canceled"), 1);
}

TEST(EmbedStream, OfAClientThatCancelsWhileNothingIsUnderWayIsCountedAsCancelled) {
  StreamServer server({});
  auto stream = OpenStream(server);
  stream->Cancel();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(Eventually([&] { return server.Handled("Canceled") == 1; }));
}

TEST(EmbedStream, OfAConnectionThatBreaksLeavesNothingBehind) {
  StreamServer server({}, absl::Milliseconds(1));
  {
    auto channel = ConnectTo(server.address());
    auto stub = v1::EmbeddingService::NewStub(channel);
    EmbedStreamClient stream(stub.get());
    ASSERT_TRUE(stream.Start());
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(stream.SendText(i, "a b c d e f g h"));
    ASSERT_TRUE(stream.Read().has_value());
    stream.Cancel();  // gRPC waits for the call before it lets go of the socket
  }
  EXPECT_TRUE(Eventually([&] { return server.IsIdle(); }));
}

TEST(EmbedStream, EndsAtItsDeadline) {
  StreamServer server({});
  EmbedStreamClient stream(server.stub(), absl::Milliseconds(500));
  EXPECT_EQ(stream.Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_TRUE(Eventually([&] { return server.IsIdle(); }));
}

TEST(EmbedStream, WhoseDeadlinePassesOnTheServerIsCountedAsExceeded) {
  StreamServer server({});
  // One that the server alone knows: a client's own passes there first, as the way to the server takes time, and its
  // cancellation could be there before the server's clock has got so far.
  EmbedStreamClient stream(server.stub(), absl::InfiniteDuration(), "500m");
  EXPECT_FALSE(stream.Finish().ok());
  EXPECT_TRUE(Eventually([&] { return server.Handled("DeadlineExceeded") == 1; }));
  EXPECT_TRUE(Eventually([&] { return server.IsIdle(); }));
}

TEST(EmbedStream, BeyondMaxStreamsIsToldWhenToComeBack) {
  StreamServer server({"--max-streams", "2"});
  auto first = OpenStream(server);
  auto second = OpenStream(server);
  EXPECT_EQ(server.Sum("favor_open_streams"), 2);
  EmbedStreamClient third(server.stub());
  const grpc::Status status = third.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(status.error_message(), "2 streams are open, max-streams is 2");
  EXPECT_EQ(RetryDelayOf(status), absl::Seconds(1));
  EXPECT_EQ(server.Metrics().Sum("favor_rejected_total", {{"reason", "streams"}}), 1);
  first->SendNoMore();
  EXPECT_TRUE(first->Finish().ok());
  OpenStream(server)->SendNoMore();  // the place is free by the time the client knows of the end
}

TEST(EmbedStream, WhoseClientSendsNothingEndsAtTheIdleTimeout) {
  StreamServer server({"--stream-idle-timeout", "1500ms"});
  auto stream = OpenStream(server);
  absl::Time last;
  for (uint64_t i = 0; i < 4; ++i) {  // each message starts the wait anew; a busy machine makes a pause longer
    absl::SleepFor(absl::Milliseconds(500));
    last = absl::Now();
    ASSERT_TRUE(stream->SendText(i, "more"));
    ASSERT_TRUE(stream->Read().has_value());
  }
  const grpc::Status status = stream->Finish();
  EXPECT_GE(absl::Now() - last, absl::Milliseconds(1500));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_THAT(status.error_message(), HasSubstr("sent no message for 1.5s, which is the stream-idle-timeout"));
  EXPECT_TRUE(Eventually([&] { return server.IsIdle(); }));
}

TEST(EmbedStream, ThatComputesIsNotIdle) {
  StreamServer server({"--stream-idle-timeout", "1s"}, absl::Milliseconds(400));
  EmbedStreamClient stream(server.stub());
  ASSERT_TRUE(stream.Start());
  ASSERT_TRUE(stream.SendText(1, "a b"));  // four tokens, more than that
  EXPECT_TRUE(stream.Read().has_value());
  stream.SendNoMore();
  EXPECT_TRUE(stream.Finish().ok());
}

// Sends texts until the server takes no more. Returns how many it took.
int64_t SendUntilStalled(EmbedStreamClient& stream, std::thread* sender, std::atomic<int64_t>* num_sent) {
  *sender = std::thread([&stream, num_sent] {
    while (stream.SendText(0, std::string(1000, 'x'))) ++*num_sent;
  });
  int64_t before = -1;
  while (before != *num_sent) {
    before = *num_sent;
    absl::SleepFor(absl::Milliseconds(500));
  }
  return before;
}

v1::EmbedRequest AllTokens() {
  v1::EmbedRequest start;
  start.set_pooling(v1::POOLING_NONE);
  return start;
}

TEST(EmbedStream, OfAClientThatDoesNotReadHoldsBoundedMemoryAndNobodyElse) {
  StreamServer server({});
  EmbedStreamClient stream(server.stub());
  ASSERT_TRUE(stream.Start(AllTokens()));
  std::thread sender;
  std::atomic<int64_t> num_sent{0};
  SendUntilStalled(stream, &sender, &num_sent);
  const double received = server.Metrics().Sum("grpc_server_msg_received_total", {{"grpc_method", "EmbedStream"}});
  const double sent = server.Metrics().Sum("grpc_server_msg_sent_total", {{"grpc_method", "EmbedStream"}});
  EXPECT_LE(received - sent, 512 + 1 + 1);  // unanswered, the start, and the answer that is not taken
  EXPECT_LT(server.Sum("favor_admitted_bytes"), 8 << 20);
  auto other = OpenStream(server);  // on the same connection
  other->SendNoMore();
  EXPECT_TRUE(other->Finish().ok());
  for (int i = 0; i < 2000; ++i) ASSERT_TRUE(stream.Read().has_value());  // it goes on when the client does
  stream.Cancel();
  sender.join();
  EXPECT_TRUE(Eventually([&] { return server.IsIdle(); }));
}

TEST(EmbedStream, OfAClientThatDoesNotReadEndsAtTheIdleTimeout) {
  StreamServer server({"--stream-idle-timeout", "2s"});
  EmbedStreamClient stream(server.stub());
  ASSERT_TRUE(stream.Start(AllTokens()));
  std::thread sender;
  std::atomic<int64_t> num_sent{0};
  SendUntilStalled(stream, &sender, &num_sent);
  EXPECT_TRUE(Eventually([&] { return server.IsIdle(); }));
  const grpc::Status status = stream.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_THAT(status.error_message(), HasSubstr("took no message for 2s"));
  sender.join();
}

TEST(EmbedStream, UnderWayFinishesWhileTheServerDrainsAndNewOnesAreRefused) {
  StreamServer server({});
  auto stream = OpenStream(server);
  std::thread drain([&] { server.server().Drain([](absl::Duration) { return false; }); });
  EXPECT_TRUE(Eventually([&] {
    EmbedStreamClient late(server.stub(), absl::Seconds(5));
    late.Start();
    return !late.Finish().ok();
  }));
  ASSERT_TRUE(stream->SendText(5, "still served"));
  EXPECT_EQ(stream->Read()->id(), 5);
  stream->SendNoMore();
  EXPECT_TRUE(stream->Finish().ok());
  drain.join();
}

TEST(EmbedStream, ThatGoesOnIsCancelledAtTheEndOfTheDrain) {
  StreamServer server({"--drain-timeout", "300ms"});
  auto stream = OpenStream(server);
  const absl::Time start = absl::Now();
  server.server().Drain([](absl::Duration) { return false; });
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(300));
  EXPECT_FALSE(stream->Finish().ok());
}

int64_t NumThreads() { return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {}); }

// What one of many clients does: sends and reads at random, and leaves at random.
void BehaveAtRandom(StreamServer& server, uint32_t seed) {
  std::mt19937 random(seed);
  for (int round = 0; round < 3; ++round) {
    EmbedStreamClient stream(server.stub(), absl::Milliseconds(random() % 4 == 0 ? 50 : 30'000));
    if (random() % 8 != 0) stream.Start(random() % 2 == 0 ? AllTokens() : v1::EmbedRequest());
    const int num_inputs = static_cast<int>(random() % 200);
    std::thread sender([&stream, num_inputs] {
      for (int i = 0; i < num_inputs && stream.SendText(i, "some words of a text"); ++i) {
      }
      stream.SendNoMore();
    });
    const int num_reads = static_cast<int>(random() % 200);
    for (int i = 0; i < num_reads && stream.Read(); ++i) {
    }
    if (random() % 2 == 0) absl::SleepFor(absl::Milliseconds(random() % 20));
    if (random() % 3 != 0) stream.Cancel();
    sender.join();
    stream.Finish();
  }
}

TEST(EmbedStream, SixtyFourAtOnceThatLeaveAtRandomLeaveNoStreamMemoryOrThreadBehind) {
  StreamServer server({"--embed-queue-tokens", "64"}, absl::Microseconds(20));
  { OpenStream(server)->SendNoMore(); }
  const int64_t threads_before = NumThreads();
  std::vector<std::thread> clients;
  for (uint32_t c = 0; c < 64; ++c) clients.emplace_back([&server, c] { BehaveAtRandom(server, 1000 + c); });
  for (std::thread& client : clients) client.join();
  EXPECT_TRUE(Eventually([&] { return server.IsIdle(); }));
  // gRPC's own pool keeps some threads for a while.
  EXPECT_TRUE(Eventually([&] { return NumThreads() <= threads_before + 8; })) << NumThreads();
  // The last of them may have come when their clients had gone.
  EXPECT_TRUE(Eventually([&] {
    const Exposition metrics = server.Metrics();
    return metrics.Sum("grpc_server_started_total", {{"grpc_method", "EmbedStream"}}) ==
           metrics.Sum("grpc_server_handled_total", {{"grpc_method", "EmbedStream"}});
  }));
  auto stream = OpenStream(server);
  stream->SendNoMore();
  EXPECT_TRUE(stream->Finish().ok());
}

}  // namespace
}  // namespace favor::testing
