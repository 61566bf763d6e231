// EmbedStreams of one sequence whose clients vanish or stall, on servers that drain or have little memory.
#include <algorithm>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/harness/await.h"
#include "tests/integration/harness/exposition.h"
#include "tests/integration/harness/rpc.h"
#include "tests/integration/harness/sockets.h"
#include "tests/lib/model/golden_model_folder.h"
#include "tests/server/services/embed_sequence_client.h"
#include "tests/server/services/running_server.h"

namespace favor::testing {
namespace {

using ::testing::HasSubstr;

// A server of one causal Performer, and its metrics.
class SequenceServer {
 public:
  explicit SequenceServer(std::vector<std::string> flags)
      : running_(
            WithModel(std::move(flags)), [](const std::string& folder) { return LoadModel(folder); }, "127.0.0.1:0") {
    const absl::Status loaded = running_.Load();
    EXPECT_TRUE(loaded.ok()) << loaded;
    model_bytes_ = Sum("favor_admitted_bytes");
  }

  v1::EmbeddingService::Stub* stub() { return running_.embedding.get(); }
  Server& server() { return *running_.server; }
  Exposition Metrics() const {
    const auto answer = HttpGet(running_.server->metrics_address(), "/metrics");
    EXPECT_TRUE(answer.ok()) << answer.status();
    return *Exposition::Parse(answer->body);
  }
  double Sum(const std::string& name) const { return Metrics().Sum(name); }
  // What streams and calls take of the memory budget.
  double AdmittedBytes() const { return Sum("favor_admitted_bytes") - model_bytes_; }
  bool IsIdle() const {
    return Sum("favor_open_streams") == 0 && Sum("favor_calls_in_flight") == 0 && AdmittedBytes() == 0;
  }
  double Handled(const std::string& code) const {
    return Metrics().Sum("grpc_server_handled_total", {{"grpc_method", "EmbedStream"}, {"grpc_code", code}});
  }

 private:
  std::vector<std::string> WithModel(std::vector<std::string> flags) {
    flags.insert(flags.end(), {"--model", absl::StrCat("relu=", folder_.path()), "--drain-delay", "0s"});
    return flags;
  }

  GoldenModelFolder folder_{"performer/relu_causal"};
  RunningServer running_;
  double model_bytes_ = 0;
};

// A sequence that has begun: the server has answered its first tokens.
std::unique_ptr<EmbedSequenceClient> OpenSequence(SequenceServer& server) {
  auto sequence = std::make_unique<EmbedSequenceClient>(server.stub());
  EXPECT_TRUE(sequence->Answer({1, 2, 3}).result().has_embedding());
  return sequence;
}

// Sends tokens until the server takes no more, or for ever.
std::thread KeepSending(EmbedSequenceClient* sequence, int64_t num_tokens) {
  return std::thread([sequence, ids = SomeIds(num_tokens, 4)] {
    while (sequence->Send(ids)) {
    }
  });
}

TEST(EmbedSequence, OfAClientThatCancelsLeavesNothingBehind) {
  SequenceServer server({});
  auto sequence = OpenSequence(server);
  EXPECT_GT(server.AdmittedBytes(), 0);
  EXPECT_EQ(server.Sum("favor_open_streams"), 1);
  std::thread sender = KeepSending(sequence.get(), 5000);
  EXPECT_TRUE(Eventually([&] { return server.Sum("favor_queue_jobs") > 0; }));  // in the middle of a chunk
  sequence->stream().Cancel();
  sender.join();
  EXPECT_EQ(sequence->stream().Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(Eventually([&] { return server.IsIdle(); }));
  EXPECT_EQ(server.Handled("Canceled"), 1);
  EXPECT_TRUE(OpenSequence(server)->End().ok());
}

TEST(EmbedSequence, WhoseClientSendsNothingEndsAtTheIdleTimeout) {
  SequenceServer server({"--stream-idle-timeout", "1500ms"});
  auto sequence = OpenSequence(server);
  for (int i = 0; i < 4; ++i) {  // each message starts the wait anew; a busy machine makes a pause longer
    absl::SleepFor(absl::Milliseconds(500));
    ASSERT_TRUE(sequence->Answer({1}).result().has_embedding());
  }
  const grpc::Status status = sequence->stream().Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_THAT(status.error_message(), HasSubstr("sent no message for 1.5s, which is the stream-idle-timeout"));
  EXPECT_TRUE(Eventually([&] { return server.IsIdle(); }));
}

TEST(EmbedSequence, OfAClientThatDoesNotReadEndsAtTheIdleTimeoutAndHoldsLittleUntilThen) {
  SequenceServer server({"--stream-idle-timeout", "2s"});
  auto sequence = OpenSequence(server);
  std::thread sender = KeepSending(sequence.get(), 5000);
  double most = 0;
  EXPECT_TRUE(Eventually([&] {
    most = std::max(most, server.AdmittedBytes());
    return server.IsIdle();
  }));
  sender.join();
  const grpc::Status status = sequence->stream().Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_THAT(status.error_message(), HasSubstr("took no message for 2s"));
  EXPECT_GT(most, 0);
  EXPECT_LT(most, 64 << 20);  // a state, two messages and an answer
}

TEST(EmbedSequence, UnderWayFinishesWhileTheServerDrainsAndNewOnesAreRefused) {
  SequenceServer server({});
  auto sequence = OpenSequence(server);
  std::thread drain([&] { server.server().Drain([](absl::Duration) { return false; }); });
  EXPECT_TRUE(Eventually([&] { return !EmbedSequenceClient(server.stub()).End().ok(); }));
  EXPECT_TRUE(sequence->Answer({1, 2}).result().has_embedding());
  EXPECT_EQ(sequence->State().num_tokens(), 5);
  EXPECT_TRUE(sequence->End().ok());
  drain.join();
}

TEST(EmbedSequence, ThatGoesOnIsCancelledAtTheEndOfTheDrain) {
  SequenceServer server({"--drain-timeout", "300ms"});
  auto sequence = OpenSequence(server);
  std::thread sender = KeepSending(sequence.get(), 2000);
  std::thread reader([&] {
    while (sequence->Read().has_result()) {
    }
  });
  const absl::Time start = absl::Now();
  server.server().Drain([](absl::Duration) { return false; });
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(300));
  EXPECT_LT(absl::Now() - start, absl::Seconds(20));
  reader.join();
  sender.join();
  EXPECT_FALSE(sequence->stream().Finish().ok());
}

TEST(EmbedSequence, ThatCanNeverFitTheMemoryIsRefusedAndLeavesTheOthersAlone) {
  SequenceServer server({"--memory-budget", "8MiB"});
  auto sequence = OpenSequence(server);
  EmbedSequenceClient greedy(server.stub());
  greedy.Send(SomeIds(200'000, 4));
  const grpc::Status refused = greedy.stream().Finish();
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << refused.error_message();
  EXPECT_THAT(refused.error_message(), ::testing::HasSubstr("the memory budget is 8388608"));
  EXPECT_TRUE(sequence->Answer({1, 2}).result().has_embedding());
  EXPECT_TRUE(sequence->End().ok());
  EXPECT_TRUE(Eventually([&] { return server.IsIdle(); }));
}

}  // namespace
}  // namespace favor::testing
