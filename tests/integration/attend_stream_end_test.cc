// How AttendStream's calls end, and what they hold until then.
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/harness/attend_stream.h"
#include "tests/integration/harness/await.h"
#include "tests/integration/harness/favord.h"
#include "tests/integration/harness/rpc.h"
#include "tests/support/attention_case.h"

namespace favor::testing {
namespace {

using ::testing::ContainsRegex;

v1::AttentionSpec CausalSpec() {
  v1::AttentionSpec spec;
  spec.set_causal(true);
  spec.mutable_features()->set_num_features(40);
  return spec;
}

AttentionCase CausalCase(int64_t num_heads, int64_t length) {
  AttentionSpec spec;
  spec.causal = true;
  return GaussianCase(spec, {1, num_heads, num_heads, length, length, 64, 64}, nullptr, 3);
}

v1::AttendStreamRequest WholeOf(const AttentionCase& whole) {
  return ChunkOf(&whole.queries, &whole.keys, &whole.values, 0, whole.queries.shape.length, {});
}

TEST(AttendStreams, ThatEndByAnErrorAreLoggedWithTheTimeTheyTook) {
  Favord favord({.flags = {"--threads", "1"}});
  const AttentionCase attention_case = CausalCase(4, 2000);
  AttendStreamClient stream(favord.channel());
  ASSERT_TRUE(stream.Start(CausalSpec()));
  ASSERT_TRUE(stream.Send(WholeOf(attention_case)));
  ASSERT_TRUE(stream.Read().has_value());
  ASSERT_TRUE(stream.Start(CausalSpec()));  // a second one
  EXPECT_EQ(stream.Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(favord.Stop(), 0);
  const std::string log = favord.process().err().text();
  EXPECT_THAT(log, ContainsRegex("\"method\":\"AttendStream\""));
  EXPECT_THAT(log, ContainsRegex("\"compute_ms\":[0-9]*[1-9]"));
}

// Each of them, though one that was drawn before is at hand: the next to be drawn may take its place there.
TEST(AttendStreams, ReserveTheProjectionTheyHoldOnTo) {
  Favord favord;
  AttentionSpec causal;
  causal.causal = true;
  const AttentionCase attention_case = GaussianCase(causal, {1, 1, 1, 4, 4, 512, 1}, nullptr, 3);
  v1::AttentionSpec spec = CausalSpec();
  spec.mutable_features()->set_num_features(4096);
  constexpr double kProjectionBytes = 4096 * 512 * sizeof(float);
  AttendStreamClient streams[] = {AttendStreamClient(favord.channel()), AttendStreamClient(favord.channel())};
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(streams[i].Start(spec) && streams[i].Send(WholeOf(attention_case)) && streams[i].Read().has_value());
    EXPECT_GE(favord.Metrics().Sum("favor_admitted_bytes"), (i + 1) * kProjectionBytes);
  }
}

TEST(AttendStreams, LeaveNothingBehindHoweverTheyEnd) {
  Favord favord({.flags = {"--threads", "2"}});
  const AttentionCase attention_case = CausalCase(4, 2000);
  const v1::AttendStreamRequest chunk = WholeOf(attention_case);
  std::vector<std::thread> clients;
  for (uint32_t c = 0; c < 16; ++c) {
    clients.emplace_back([&, c] {
      std::mt19937 random(c);
      // One that sends without reading is stopped by the server, and waits for its deadline.
      AttendStreamClient stream(favord.channel(), absl::Milliseconds(random() % 4 == 0 ? 200 : 3000));
      stream.Start(CausalSpec());
      for (uint32_t i = random() % 6; i > 0 && stream.Send(chunk); --i) {
        if (random() % 2 == 0) stream.Read();
      }
      if (random() % 2 == 0) stream.context().TryCancel();
      stream.SendNoMore();
      stream.Finish();
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_TRUE(Eventually([&] {
    const Exposition metrics = favord.Metrics();
    return metrics.Sum("favor_open_streams") == 0 && metrics.Sum("favor_admitted_bytes") == 0 &&
           metrics.Sum("favor_calls_in_flight") == 0;
  }));
  EXPECT_TRUE(Attend(favord.channel(), GoodRequest()).ok());
}

TEST(AttendStreams, OfAClientThatDoesNotReadHoldTheirStateTwoMessagesAndAnAnswer) {
  Favord favord;
  const AttentionCase attention_case = CausalCase(8, 1000);
  const v1::AttendStreamRequest chunk = WholeOf(attention_case);
  AttendStreamClient stream(favord.channel());
  ASSERT_TRUE(stream.Start(CausalSpec()));
  std::thread sender([&] {
    for (int i = 0; i < 40 && stream.Send(chunk); ++i) {
    }
  });
  // Until nothing moves any more.
  double received = -1;
  EXPECT_TRUE(Eventually([&] {
    const double before = std::exchange(
        received, favord.Metrics().Sum("grpc_server_msg_received_total", {{"grpc_method", "AttendStream"}}));
    absl::SleepFor(absl::Milliseconds(500));
    return received > 2 && received == before;
  }));
  EXPECT_LT(received, 10);
  const double chunk_bytes = static_cast<double>(chunk.ByteSizeLong());
  EXPECT_LT(favord.Metrics().Sum("favor_admitted_bytes"), 3 * chunk_bytes);
  EXPECT_TRUE(Attend(favord.channel(), GoodRequest()).ok());
  stream.context().TryCancel();
  sender.join();
  stream.Finish();
}

}  // namespace
}  // namespace favor::testing
