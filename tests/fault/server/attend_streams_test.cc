// AttendStreams whose clients vanish, stall or come in too great numbers, against favord itself.
#include <atomic>
#include <filesystem>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/execution/heap_trim.h"
#include "tests/integration/harness/attend_stream.h"
#include "tests/integration/harness/attend_wire.h"
#include "tests/integration/harness/await.h"
#include "tests/integration/harness/favord.h"
#include "tests/integration/harness/large_call.h"
#include "tests/integration/harness/relay.h"
#include "tests/integration/harness/rpc.h"
#include "tests/support/served_maps.h"

namespace favor::testing {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kLength = 256;

// Keys, values and queries of a few hundred KB a chunk.
const AttentionCase& Inputs() {
  static const auto* inputs = new AttentionCase(GaussianCase({},
                                                             {.batch_size = 1,
                                                              .num_heads = 4,
                                                              .num_key_heads = 4,
                                                              .query_length = kLength,
                                                              .key_length = kLength,
                                                              .head_dim = 64,
                                                              .value_dim = 64},
                                                             nullptr, 1));
  return *inputs;
}

v1::AttentionSpec Spec(bool causal) {
  v1::AttentionSpec spec;
  spec.set_causal(causal);
  spec.mutable_features()->set_num_features(64);
  return spec;
}

v1::AttendStreamRequest Chunk(int64_t count, bool queries, bool keys) {
  const AttentionCase& inputs = Inputs();
  return ChunkOf(queries ? &inputs.queries : nullptr, keys ? &inputs.keys : nullptr, keys ? &inputs.values : nullptr, 0,
                 count, {});
}

int64_t NumThreads(Favord& favord) {
  const std::string tasks = absl::StrCat("/proc/", favord.process().pid(), "/task");
  return std::distance(std::filesystem::directory_iterator(tasks), {});
}

bool IsIdle(const Favord& favord) {
  const Exposition metrics = favord.Metrics();
  return metrics.Sum("favor_open_streams") == 0 && metrics.Sum("favor_calls_in_flight") == 0 &&
         metrics.Sum("favor_admitted_bytes") == 0;
}

// A whole stream, and whether its outputs came.
bool Works(const std::shared_ptr<grpc::Channel>& channel) {
  AttendStreamClient stream(channel);
  stream.Start(Spec(true));
  stream.Send(Chunk(100, true, true));
  const auto answer = stream.Read();
  stream.SendNoMore();
  return stream.Finish().ok() && answer && answer->output().shape(2) == 100;
}

// Sends and asks at random, as fast as the server takes it.
void SendAtRandom(AttendStreamClient& stream, uint32_t seed) {
  std::mt19937 random(seed);
  const bool causal = random() % 2 == 0;
  if (random() % 8 != 0) stream.Start(Spec(causal));
  bool open = true, queries = causal, keys = true;
  for (int left = static_cast<int>(random() % 40); open && left > 0; --left) {
    v1::AttendStreamRequest request;
    const uint32_t what = random() % 10;
    if (what == 0 && left < 35) {
      request.set_get_state(v1::AttentionState::ENCODING_F32_COMPENSATED);
    } else if (what == 1 && !causal && keys && left < 35) {
      request.set_end_of_keys(true);
      queries = true, keys = false;
    } else {
      request = Chunk(random() % (kLength + 1), queries, keys);
    }
    open = stream.Send(request);
  }
  stream.SendNoMore();
}

// What one of many clients does, on a connection of its own that may break.
void BehaveAtRandom(const std::string& address, uint32_t seed) {
  std::mt19937 random(seed);
  for (int round = 0; round < 3; ++round) {
    Relay relay(address);
    AttendStreamClient stream(ConnectTo(relay.address()),
                              absl::Milliseconds(random() % 4 == 0 ? random() % 100 : 30'000));
    std::thread sender([&stream, sender_seed = random()] { SendAtRandom(stream, sender_seed); });
    const int num_reads = static_cast<int>(random() % 40);
    for (int i = 0; i < num_reads && stream.Read(); ++i) {
    }
    if (random() % 2 == 0) absl::SleepFor(absl::Milliseconds(random() % 100));  // a stall
    const uint32_t leaves = random() % 3;
    if (leaves == 0) relay.Cut();
    if (leaves == 1) stream.context().TryCancel();
    sender.join();
    stream.Finish();
  }
}

// Has the server look how much of its heap lies idle, as it does after every 64 MiB of messages that it has read: what
// it keeps for the next calls is bounded then (server/execution/heap_trim.h), while it would be as much as all streams
// held together if they were the last to come.
void ReadMuch(Favord& favord) {
  v1::AttendRequest request = LongRequest(120'000);
  request.mutable_spec()->set_scale(-1);
  EXPECT_EQ(Attend(favord.channel(), request).status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST(AttendStreams, SixtyFourThatLeaveAtRandomLeaveNoStreamThreadOrMemoryBehind) {
  Favord favord({.flags = {"--threads", "2", "--stream-idle-timeout", "5s"}});
  ASSERT_TRUE(Works(favord.channel()));
  ReadMuch(favord);
  const int64_t threads = NumThreads(favord), memory = favord.ResidentBytes();
  for (uint32_t wave = 0; wave < 3; ++wave) {
    std::vector<std::thread> clients;
    for (uint32_t c = 0; c < 64; ++c) {
      clients.emplace_back([&, c] { BehaveAtRandom(favord.address(), 1000 * wave + c); });
    }
    for (std::thread& client : clients) client.join();
    EXPECT_TRUE(Eventually([&] { return IsIdle(favord); })) << favord.Metrics().Sum("favor_open_streams") << " streams";
  }
  // gRPC's own pool keeps some threads for a while.
  EXPECT_TRUE(Eventually([&] { return NumThreads(favord) <= threads + 8; })) << NumThreads(favord);
  if (MemoryIsMeasurable()) {
    // 576 streams: 32 MiB are less than a tenth of a message of each.
    ReadMuch(favord);
    EXPECT_LE(favord.ResidentBytes(), memory + kMaxIdleHeapBytes + (32 << 20));
  }
  // The last of them may have come when their clients had gone.
  EXPECT_TRUE(Eventually([&] {
    const Exposition metrics = favord.Metrics();
    return metrics.Sum("grpc_server_started_total", {{"grpc_method", "AttendStream"}}) ==
           metrics.Sum("grpc_server_handled_total", {{"grpc_method", "AttendStream"}});
  }));
  EXPECT_TRUE(Works(favord.channel()));
  EXPECT_EQ(favord.Stop(), 0);
}

// Sends chunks, reads nothing, until the server takes no more.
void SendUntilStalled(AttendStreamClient& stream, std::thread* sender) {
  auto num_sent = std::make_shared<std::atomic<int64_t>>(0);
  *sender = std::thread([&stream, num_sent] {
    const v1::AttendStreamRequest chunk = Chunk(kLength, true, true);
    while (stream.Send(chunk)) ++*num_sent;
  });
  int64_t before = -1;
  while (before != *num_sent) {
    before = *num_sent;
    absl::SleepFor(absl::Milliseconds(500));
  }
}

TEST(AttendStreams, OfAClientThatDoesNotReadHoldsBoundedMemoryAndNobodyElse) {
  Favord favord({.flags = {"--threads", "2"}});
  AttendStreamClient stream(ConnectTo(favord.address()));
  ASSERT_TRUE(stream.Start(Spec(true)));
  std::thread sender;
  SendUntilStalled(stream, &sender);
  // Its state (273 KB), a message that is read, one under way and an answer, below 800 KB each.
  EXPECT_LE(favord.Metrics().Sum("favor_admitted_bytes"), 3 << 20);
  EXPECT_TRUE(Works(favord.channel()));
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(stream.Read().has_value()) << i;  // it goes on when the client does
  stream.context().TryCancel();
  sender.join();
  stream.Finish();
  EXPECT_TRUE(Eventually([&] { return IsIdle(favord); }));
}

TEST(AttendStreams, OfAClientThatDoesNotReadEndsAtTheIdleTimeout) {
  Favord favord({.flags = {"--threads", "2", "--stream-idle-timeout", "1500ms"}});
  AttendStreamClient stream(ConnectTo(favord.address()));
  ASSERT_TRUE(stream.Start(Spec(true)));
  std::thread sender;
  SendUntilStalled(stream, &sender);
  EXPECT_TRUE(Eventually([&] { return IsIdle(favord); }));
  const grpc::Status status = stream.Finish();
  sender.join();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_THAT(status.error_message(), HasSubstr("took no message for 1.5s"));
}

TEST(AttendStreams, WhoseConnectionBreaksInAChunkLeaveNothingBehind) {
  Favord favord({.flags = {"--threads", "1"}});
  Relay relay(favord.address());
  AttendStreamClient stream(ConnectTo(relay.address()));
  ASSERT_TRUE(stream.Start(Spec(true)));
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(stream.Send(Chunk(kLength, true, true)));
  ASSERT_TRUE(stream.Read().has_value());
  relay.Cut();
  EXPECT_EQ(stream.Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_TRUE(Eventually([&] { return IsIdle(favord); }));
}

}  // namespace
}  // namespace favor::testing
