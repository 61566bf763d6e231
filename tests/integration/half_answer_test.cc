// Streams that end, at their deadline or because they are cancelled, while their first answer is on its way.
//
// With gRPC 1.51's own retries, which channels have by default, such a call never ended, nor did anything that waited
// in it: once a message was sent that is too large to be kept for a retry, its end fails the batch of the first read,
// whose headers were answered already, and whatever wants to get into the call waits for a callback that is null.
#include <optional>
#include <thread>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "client/client.h"
#include "gtest/gtest.h"
#include "tests/integration/harness/attend_stream.h"
#include "tests/integration/harness/client_tensors.h"
#include "tests/integration/harness/favord.h"
#include "tests/integration/harness/relay.h"
#include "tests/integration/harness/rpc.h"

namespace favor::testing {
namespace {

using client::AttentionStream;
using client::Client;

// Less than HTTP/2's first window of 64 KiB: the answer's headers and the beginning of its message.
constexpr int64_t kHalf = 40 << 10;
// For a read to have begun, and for an answer.
constexpr absl::Duration kMoment = absl::Milliseconds(700);
constexpr absl::Duration kDeadline = absl::Milliseconds(2000);

class HalfAnswers : public ::testing::Test {
 protected:
  HalfAnswers() : favord_({.flags = {"--threads", "2"}}), relay_(favord_.address(), kHalf) {}

  AttentionStream StartStream(absl::Duration deadline) {
    client_ = *Client::Connect({.endpoint = relay_.address(), .deadline = deadline});
    return client_->AttendStream({.spec = FavorSpec(true)});
  }
  // Sends a chunk when `stream` waits for an answer, and cancels it, if told, when it has half of it.
  std::thread SendTo(AttentionStream* stream, bool cancel) {
    return std::thread([this, stream, cancel] {
      absl::SleepFor(kMoment);
      EXPECT_TRUE(stream->Send({queries_.view(), keys_.view(), values_.view()}));
      if (!cancel) return;
      absl::SleepFor(kMoment);
      stream->Cancel();
    });
  }

  // 768 KB, more than gRPC keeps for a retry; 256 KB of output.
  const AttentionCase case_ = GaussianCase({}, {1, 4, 4, 256, 256, 64, 64}, nullptr, 1);
  const client::Tensor queries_ = WholeTensor(case_.queries);
  const client::Tensor keys_ = WholeTensor(case_.keys);
  const client::Tensor values_ = WholeTensor(case_.values);
  Favord favord_;
  Relay relay_;
  std::optional<Client> client_;
};

TEST_F(HalfAnswers, EndAStreamOfTheClientAtItsDeadline) {
  AttentionStream stream = StartStream(kDeadline);
  std::thread sender = SendTo(&stream, /*cancel=*/false);
  const auto answer = stream.Read();
  sender.join();
  EXPECT_TRUE(absl::IsDeadlineExceeded(answer.status())) << answer.status();
}

TEST_F(HalfAnswers, EndAStreamOfTheClientThatIsCancelled) {
  AttentionStream stream = StartStream(absl::InfiniteDuration());
  std::thread sender = SendTo(&stream, /*cancel=*/true);
  const auto answer = stream.Read();
  sender.join();
  EXPECT_TRUE(absl::IsCancelled(answer.status())) << answer.status();
}

TEST_F(HalfAnswers, EndAStreamOfTheTestsOwnClientAtItsDeadline) {
  AttendStreamClient stream(ConnectTo(relay_.address()), kDeadline);
  v1::AttentionSpec spec;
  spec.set_causal(true);
  ASSERT_TRUE(stream.Start(spec));
  std::thread sender([&] {
    absl::SleepFor(kMoment);
    EXPECT_TRUE(stream.Send(ChunkOf(&case_.queries, &case_.keys, &case_.values, 0, 256, {})));
  });
  EXPECT_FALSE(stream.Read().has_value());
  sender.join();
  EXPECT_EQ(stream.Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
}

}  // namespace
}  // namespace favor::testing
